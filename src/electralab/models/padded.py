"""Rows of unequal length as one matrix, and random numbers by a token's place in its own row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from electralab.models.random import random_bits

MARKS = ("attention_mask", "segments", "position_ids")  # of the tokens of a batch, where needed


@dataclass(frozen=True, kw_only=True)
class PaddedRows:
    """Rows of token ids, filled up to the longest of them.

    Rows of several texts kept apart are filled up to a length of their own instead, so that all
    batches have one shape.

    Attributes:
        input_ids: Of shape ``(batch, seq_len)``.
        real: Where no pad stands, boolean, of the same shape.
        lengths: Tokens of each row, of shape ``(batch,)``.
        epoch: Of each row, of shape ``(batch,)``.
        index: Of each row in its split, of shape ``(batch,)``.
        starts: Where texts begin, boolean, of shape ``(batch, seq_len)``; none: a text a row.
    """

    input_ids: np.ndarray
    real: np.ndarray
    lengths: np.ndarray
    epoch: np.ndarray
    index: np.ndarray
    starts: np.ndarray | None = None

    @classmethod
    def of(
        cls, examples: Sequence[Mapping], *, pad_id: int, padding_side: str, width: int
    ) -> PaddedRows:
        """Pads examples with ``input_ids``, ``epoch`` and ``index``.

        Args:
            examples: Of any lengths; with ``starts``, where the texts of a row begin, or all
                without.
            pad_id: Id that fills short rows.
            padding_side: ``right`` or ``left``.
            width: Tokens of a row of several texts, the pads behind them included.
        """
        rows = [np.asarray(example["input_ids"], dtype=np.int64) for example in examples]
        lengths = np.array([len(row) for row in rows])
        several = "starts" in examples[0]
        shape = len(rows), width if several else int(lengths.max())
        input_ids = np.full(shape, pad_id, dtype=np.int64)
        column = np.arange(input_ids.shape[1])
        if padding_side == "left":
            real = column[None, :] >= input_ids.shape[1] - lengths[:, None]
        else:
            real = column[None, :] < lengths[:, None]
        input_ids[real] = np.concatenate(rows)
        starts = np.zeros(shape, dtype=bool) if several else None
        if starts is not None:
            first = real.argmax(axis=1)  # where a row's first token stands
            for row, example in enumerate(examples):
                starts[row, example["starts"] + first[row]] = True
        return cls(
            input_ids=input_ids,
            real=real,
            lengths=lengths,
            epoch=np.array([example["epoch"] for example in examples]),
            index=np.array([example["index"] for example in examples]),
            starts=starts,
        )

    def marks(self) -> dict[str, np.ndarray]:
        """Returns what tells a model which tokens are real, and which belong together.

        Returns:
            ``attention_mask`` where there are pads. Of rows of several texts always, and for each
            token ``segments``, the number of its text, 1 and up, 0 at pads, and ``position_ids``,
            its place in that text; all of shape ``(batch, seq_len)``.
        """
        if self.starts is None:
            return {} if self.real.all() else {"attention_mask": self.real.astype(np.int64)}
        column = np.arange(self.real.shape[1])[None, :]
        begin = np.maximum.accumulate(np.where(self.starts, column, 0), axis=1)
        return {
            "attention_mask": self.real.astype(np.int64),
            "segments": np.where(self.real, self.starts.cumsum(axis=1), 0),
            "position_ids": np.where(self.real, column - begin, 0),
        }

    def keys(self, purpose: int, seed: int) -> np.ndarray:
        """Returns a random 64-bit word a token, 0 at pads, of shape ``(batch, seq_len)``.

        They go by place in the text, not in the padded row: padding must not change a mask.
        """
        keys = np.zeros(self.input_ids.shape, dtype=np.uint64)
        longest = int(self.lengths.max())
        drawn = random_bits(purpose, seed, self.epoch, self.index, size=longest)
        keys[self.real] = drawn[np.arange(longest)[None, :] < self.lengths[:, None]]
        return keys
