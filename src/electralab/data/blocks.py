"""Token ids on disk, memory-mapped: what the packer wrote and the training loop reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

TOKENS, OFFSETS, META = "tokens.bin", "offsets.npy", "blocks.json"
CHUNK = 1 << 22  # tokens looked at in one go, so that memory stays flat


class TokenBlocks(Dataset):
    """The rows of a split.

    An index at or beyond the length means the same row in a later epoch: row ``g % len`` of epoch
    ``g // len``. Whatever is drawn for a row can so be a function of (seed, epoch, index).

    Args:
        folder: What `pack` wrote: ``tokens.bin`` and ``blocks.json``, and ``offsets.npy`` where
            rows have lengths of their own.

    Example:
        >>> blocks = TokenBlocks(folder)  # doctest: +SKIP
        >>> blocks[len(blocks) + 3]  # doctest: +SKIP
        {'input_ids': array([2, 71, ..., 3]), 'epoch': 1, 'index': 3}
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.meta: dict[str, Any] = json.loads((self.folder / META).read_text(encoding="utf-8"))
        self.max_length: int = self.meta["max_length"]
        self._tokens: np.ndarray | None = None
        self._offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return self.meta["blocks"]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index < 0:
            raise IndexError(f"row {index}: rows count from 0, in epoch 0")
        epoch, row = divmod(int(index), len(self))
        return {"input_ids": self._row(row).astype(np.int64), "epoch": epoch, "index": row}

    def __getstate__(self) -> dict[str, Any]:
        # A worker opens the file itself; pickling a memory map would copy all of it.
        return {**self.__dict__, "_tokens": None, "_offsets": None}

    @property
    def tokens(self) -> np.ndarray:
        """All ids of the split in a row, of shape ``(tokens,)``, special tokens included."""
        if self._tokens is None:
            self._tokens = np.memmap(self.folder / TOKENS, dtype=self.meta["dtype"], mode="r")
        return self._tokens

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, of shape ``(rows,)``."""
        if self.meta["packing"] == "concat":
            return np.full(len(self), self.max_length, dtype=np.int64)
        return np.diff(self._row_offsets())

    def _row(self, row: int) -> np.ndarray:
        if self.meta["packing"] == "concat":
            return self.tokens[row * self.max_length : (row + 1) * self.max_length]
        start, stop = self._row_offsets()[row : row + 2]
        return self.tokens[start:stop]

    def _row_offsets(self) -> np.ndarray:
        if self._offsets is None:
            self._offsets = np.load(self.folder / OFFSETS, mmap_mode="r")
        return self._offsets


def unigram(folder: Path | str) -> np.ndarray:
    """Counts the tokens of a split, special ones left out.

    Returns:
        Counts of shape ``(vocab_size,)``, in float64; those of special tokens are 0.
    """
    blocks = TokenBlocks(folder)
    counts = np.zeros(blocks.meta["vocab_size"], dtype=np.float64)
    for start in range(0, len(blocks.tokens), CHUNK):
        counts += np.bincount(blocks.tokens[start : start + CHUNK], minlength=len(counts))
    counts[blocks.meta["special_ids"]] = 0
    return counts


def entropy(probabilities: np.ndarray) -> float:
    """Returns the entropy of a distribution in nats."""
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())
