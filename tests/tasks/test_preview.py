from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from electralab.tasks import preview_mlm, preview_rtd
from electralab.tasks.preview import held_out_sentences, join_pieces
from tests.models.conftest import CLS, MASK, SEP, make_collator, make_pair
from tests.models.test_mlm_masking import make_collator as make_mlm_collator


class Tokenizer(SimpleNamespace):
    def get_vocab(self):
        return {"[MASK]": MASK}

    def convert_ids_to_tokens(self, ids):
        return ["[MASK]" if i == MASK else f"w{i}" for i in ids]


TOKENIZER = Tokenizer(cls_token_id=CLS, sep_token_id=SEP)
SENTENCE = np.r_[CLS, np.arange(20, 40), SEP]
SHORT = np.r_[CLS, np.arange(40, 52), SEP]


class Blocks(list):
    def __getitem__(self, number):
        return {"input_ids": super().__getitem__(number)}


def test_whole_documents_are_cut_out_of_blocks():
    first = np.r_[CLS, np.arange(20, 33), SEP, np.arange(40, 52), SEP, np.arange(60, 74), SEP]
    found = held_out_sentences(Blocks([first]), TOKENIZER, 3)
    # 20 to 32 may have begun in the block before, the last piece may go on in the next.
    assert [ids.tolist() for ids in found] == [[CLS, *range(40, 52), SEP]]


def test_documents_that_are_kept_apart_are_whole():
    """Also the first and the last, and where a document speaks of [SEP]."""
    texts = [np.r_[CLS, 20:25, SEP], np.r_[CLS, 30:40, SEP, 40:45, SEP], np.r_[CLS, 50:62, SEP]]
    rows = [
        {"input_ids": np.concatenate(texts), "starts": np.array([0, 7, 25])},
        {"input_ids": texts[2], "starts": np.array([0])},
    ]
    found = held_out_sentences(rows, TOKENIZER, 3)
    assert [ids.tolist() for ids in found] == [texts[1].tolist(), texts[2].tolist()]


def test_pieces_are_joined_and_fill_ins_stand_in_brackets():
    pieces = [("re", False), ("turn", True), ("the", False), ("path", False), ("s", True)]
    assert join_pieces(pieces, [False] * 5) == "return the paths"
    assert join_pieces(pieces, [False, True, False, True, False]) == "re[turn] the [path]s"


def changed(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one.split(), other.split(), strict=True))


def test_a_preview_shows_what_was_masked_filled_and_doubted():
    pair = make_pair().train()
    shown = preview_rtd.preview(
        pair,
        tokenizer=TOKENIZER,
        collate=make_collator(replace_prob=1.0),
        sentences=[SENTENCE, SHORT],
        step=30,
    )
    assert pair.training and len(shown) == 2
    long = shown[0]
    assert long.original == " ".join(f"w{i}" for i in range(20, 40))
    assert long.masked.count("[MASK]") == 3 == long.filled_in.count("[")
    assert changed(long.masked, long.original) == 3
    probabilities = [float(part.split()[-1]) for part in long.doubted.split(", ")]
    assert probabilities == sorted(probabilities, reverse=True) and len(probabilities) == 5


def test_a_masked_language_model_shows_its_likeliest_tokens():
    model = make_pair(share="none").generator.train()
    for side in ("right", "left"):
        long, short = preview_mlm.preview(
            model,
            tokenizer=TOKENIZER,
            collate=make_mlm_collator(mask_share=1.0, random_share=0.0, padding_side=side),
            sentences=[SENTENCE, SHORT],
            step=30,
        )
        assert model.training and long.step == 30
        assert long.original == " ".join(f"w{i}" for i in range(20, 40))
        assert short.original == " ".join(f"w{i}" for i in range(40, 52))
        assert short.masked.count("[MASK]") == 2 == short.filled_in.count("[")
        assert changed(short.masked, short.original) == 2
    read = [MASK if word == "[MASK]" else int(word[1:]) for word in long.masked.split()]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([[CLS, *read, SEP]])).logits[0, 1:-1]
    for word, best, id in zip(
        long.filled_in.split(), logits.argmax(-1).tolist(), read, strict=True
    ):
        assert word == (f"[w{best}]" if id == MASK else f"w{id}") or best == MASK
