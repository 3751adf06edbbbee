"""Mistakes with `task=mlm`."""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from tests.mistakes.case import SIZES, Cases, Place, train
from tests.mistakes.texts import GOOD

BAD = b"\xff\n"  # no UTF-8, behind what a look at the head sees
case = Cases()


def mlm(*words: str) -> list[str]:
    return train("task=mlm", *words)


case(
    "shares-above-1",
    mlm("task.mask_share=0.95"),
    *("`task.mask_share`", "`task.random_share`", "at most 1 together", "0.95 and 0.1"),
)
case(
    "nothing-masked",
    mlm("task.mask_share=0", "task.random_share=0"),
    *("`task.mask_share`", "`task.random_share`", "must not both be 0"),
)
case("share-of-no-share", mlm("task.random_share=1.5"), "`task.random_share`", "0 to 1", "is 1.5")
case("key-of-rtd", mlm("task.disc_weight=10"), "`task.disc_weight`")
case(
    "mlm-from-a-discriminator-of-nothing",
    lambda place: [
        *("task=mlm", "data=text", "data.path=corpus.txt", *SIZES),
        *("model=auto", f"model.name_or_path={place.part('t5', 'encoder', model_type='t5')}"),
    ],
    "`model.name_or_path`",
)
case(
    "mlm-with-a-decoder",  # said before the data is read, which would end in another line
    lambda place: [
        *("task=mlm", "data=text", f"data.path={place.file('bad.txt', GOOD * 5000 + BAD)}", *SIZES),
        *("model=auto", f"model.name_or_path={place.part('gpt', 'encoder', model_type='gpt2')}"),
    ],
    *("`model.name_or_path`", "an encoder that fills in masks", "'gpt2'"),
)


def _letters(place: Place) -> list[str]:
    """A tokenizer of letters, which do not tell where a word begins."""
    pieces = ["[UNK]", "[MASK]", "[PAD]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz "]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(BPE({piece: i for i, piece in enumerate(pieces)}, [])),
        **{"unk_token": "[UNK]", "mask_token": "[MASK]", "pad_token": "[PAD]"},
        **{"cls_token": "[CLS]", "sep_token": "[SEP]"},
    )
    tokenizer.save_pretrained(place.path / "letters")
    return mlm("task.whole_word=true", "model.tokenizer=letters")


case("words-without-a-beginning", _letters, "`task.whole_word`", "must be false", "letters")
