"""Training a byte-level BPE tokenizer on the corpus itself (Sennrich et al. 2016; Radford et al.
2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, EOS, UNK = "<pad>", "</s>", "<unk>"  # ids 0 to 2
MAX_INPUT = 512  # tokens; the positions of every Marian as published
BYTES = 256


def train_bpe(texts: Sequence[str], *, vocab_size: int, lowercase: bool) -> PreTrainedTokenizerBase:
    """Trains a vocabulary for an encoder with a decoder; the same texts give the same pieces.

    Every byte is a piece, so that any text comes back from its ids as it was: placeholders, accents
    and all, but for one blank at its beginning. (The Unigram trainer of `tokenizers` gives other
    pieces every time it is run.)

    Args:
        texts: Both sides of the corpus, or a part of them.
        vocab_size: Pieces wanted, special tokens and the 256 bytes included.
        lowercase: Whether case is folded, in training and in use; what is written then is as well.

    Returns:
        A tokenizer that ends a text with ``</s>``, whose saved folder `AutoTokenizer` loads.
    """
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    # A word is the same piece at the beginning of a text and after a blank.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, EOS, UNK],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    eos = (EOS, tokenizer.token_to_id(EOS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", pair=f"$A $B {EOS}", special_tokens=[eos]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        model_max_length=MAX_INPUT,
        model_input_names=["input_ids", "attention_mask"],
        split_special_tokens=True,  # a text that speaks of </s> does not end there
        clean_up_tokenization_spaces=False,
    )
