"""Texts and pairs of texts as token ids, each example a row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TYPES = "token_type_ids"


def tokenise(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    *,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> dict[str, list[Any]]:
    """Encodes examples as the tokenizer's own call with ``truncation=True`` does, without pads.

    Args:
        texts: The texts, or the first ones of pairs.
        pairs: The second ones; none: there is one text alone.
        tokenizer: What makes the ids.
        max_length: Tokens of a row, special ones included; of a pair the longer text is cut.

    Returns:
        ``input_ids``, ``token_type_ids`` where the tokenizer gives them, ``length``, and
        ``full_length``, which is that before the cut.
    """
    whole = _encode(list(texts), None if pairs is None else list(pairs), tokenizer)
    full = [len(ids) for ids in whole["input_ids"]]
    long = [row for row, length in enumerate(full) if length > max_length]
    if long:
        cut = _encode(
            [texts[row] for row in long],
            None if pairs is None else [pairs[row] for row in long],
            tokenizer,
            truncation=True,
            max_length=max_length,
        )
        for name, rows in cut.items():
            for row, values in zip(long, rows, strict=True):
                whole[name][row] = values
    kinds = {"input_ids": np.int32, _TYPES: np.int8}
    columns = {
        name: [np.array(row, dtype=kind) for row in whole[name]]
        for name, kind in kinds.items()
        if name in whole
    }
    lengths = [len(ids) for ids in whole["input_ids"]]
    return {**columns, "length": lengths, "full_length": full}


def _encode(
    texts: list[str], pairs: list[str] | None, tokenizer: PreTrainedTokenizerBase, **how: Any
) -> dict[str, list[list[int]]]:
    encoded = tokenizer(texts, pairs, return_attention_mask=False, verbose=False, **how)
    return {name: encoded[name] for name in ("input_ids", _TYPES) if name in encoded}
