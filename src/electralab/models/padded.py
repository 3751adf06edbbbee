"""Rows of unequal length as one matrix, and random numbers by a token's place in its own row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from electralab.models.random import random_bits


@dataclass(frozen=True, kw_only=True)
class PaddedRows:
    """Rows of token ids, filled up to the longest of them.

    Attributes:
        input_ids: Of shape ``(batch, seq_len)``.
        real: Where no pad stands, boolean, of the same shape.
        lengths: Tokens of each row, of shape ``(batch,)``.
        epoch: Of each row, of shape ``(batch,)``.
        index: Of each row in its split, of shape ``(batch,)``.
    """

    input_ids: np.ndarray
    real: np.ndarray
    lengths: np.ndarray
    epoch: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, examples: Sequence[Mapping], *, pad_id: int, padding_side: str) -> PaddedRows:
        """Pads examples with ``input_ids``, ``epoch`` and ``index``.

        Args:
            examples: Of any lengths.
            pad_id: Id that fills short rows.
            padding_side: ``right`` or ``left``.
        """
        rows = [np.asarray(example["input_ids"], dtype=np.int64) for example in examples]
        lengths = np.array([len(row) for row in rows])
        input_ids = np.full((len(rows), lengths.max()), pad_id, dtype=np.int64)
        column = np.arange(input_ids.shape[1])
        if padding_side == "left":
            real = column[None, :] >= input_ids.shape[1] - lengths[:, None]
        else:
            real = column[None, :] < lengths[:, None]
        input_ids[real] = np.concatenate(rows)
        return cls(
            input_ids=input_ids,
            real=real,
            lengths=lengths,
            epoch=np.array([example["epoch"] for example in examples]),
            index=np.array([example["index"] for example in examples]),
        )

    def keys(self, purpose: int, seed: int) -> np.ndarray:
        """Returns a random 64-bit word a token, 0 at pads, of shape ``(batch, seq_len)``.

        They go by place in the text, not in the padded row: padding must not change a mask.
        """
        keys = np.zeros(self.input_ids.shape, dtype=np.uint64)
        longest = int(self.lengths.max())
        drawn = random_bits(purpose, seed, self.epoch, self.index, size=longest)
        keys[self.real] = drawn[np.arange(longest)[None, :] < self.lengths[:, None]]
        return keys
