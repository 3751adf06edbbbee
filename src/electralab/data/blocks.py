"""Token ids on disk, memory-mapped: what the packer wrote and the training loop reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

TOKENS, OFFSETS, TEXTS, META = "tokens.bin", "offsets.npy", "texts.npy", "blocks.json"
CHUNK = 1 << 22  # tokens looked at in one go, so that memory stays flat


class TokenBlocks(Dataset):
    """The rows of a split.

    An index at or beyond the length means the same row in a later epoch: row ``g % len`` of epoch
    ``g // len``. Whatever is drawn for a row can so be a function of (seed, epoch, index).

    Args:
        folder: What `pack` wrote: ``tokens.bin`` and ``blocks.json``; ``offsets.npy``, where a row
            begins, where rows have lengths of their own; and where they hold several texts kept
            apart, ``texts.npy``, where a text begins: a row then begins with so many-th text.

    Example:
        >>> blocks = TokenBlocks(folder)  # doctest: +SKIP
        >>> blocks[len(blocks) + 3]  # doctest: +SKIP
        {'input_ids': array([2, 71, ..., 3]), 'epoch': 1, 'index': 3}
        >>> separate[2]  # doctest: +SKIP
        {'input_ids': array([2, 71, ..., 3]), 'epoch': 0, 'index': 2, 'starts': array([0, 19, 31])}
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.meta: dict[str, Any] = json.loads((self.folder / META).read_text(encoding="utf-8"))
        self.max_length: int = self.meta["max_length"]
        self.packing: str = self.meta["packing"]
        self._tokens: np.ndarray | None = None
        self._offsets: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return self.meta["blocks"]

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index < 0:
            raise IndexError(f"row {index}: rows count from 0, in epoch 0")
        epoch, row = divmod(int(index), len(self))
        starts = self._starts(row)
        start, stop = starts[0], starts[-1]
        example = {"input_ids": self.tokens[start:stop].astype(np.int64)}
        example |= {"epoch": epoch, "index": row}
        if self.packing == "separate":
            example["starts"] = starts[:-1] - start
        return example

    def __getstate__(self) -> dict[str, Any]:
        # A worker opens the file itself; pickling a memory map would copy all of it.
        return {**self.__dict__, "_tokens": None, "_offsets": {}}

    @property
    def tokens(self) -> np.ndarray:
        """All ids of the split in a row, of shape ``(tokens,)``, special tokens included."""
        if self._tokens is None:
            self._tokens = np.memmap(self.folder / TOKENS, dtype=self.meta["dtype"], mode="r")
        return self._tokens

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, of shape ``(rows,)``."""
        if self.packing == "concat":
            return np.full(len(self), self.max_length, dtype=np.int64)
        offsets = self._load(OFFSETS)
        return np.diff(self._load(TEXTS)[offsets] if self.packing == "separate" else offsets)

    @property
    def uneven(self) -> bool:
        """Whether rows have lengths of their own, so that batches of like lengths have few pads."""
        return self.packing == "none"

    @property
    def texts(self) -> int | None:
        """Texts that rows hold; none where they run on from row to row."""
        if self.packing == "concat":
            return None
        return len(self._load(TEXTS)) - 1 if self.packing == "separate" else len(self)

    @property
    def filled(self) -> float:
        """Share of the places of rows of `max_length` that hold a token."""
        return len(self.tokens) / max(1, len(self) * self.max_length)

    def _starts(self, row: int) -> np.ndarray:
        """Returns where the texts of a row begin among all tokens, and where the last ends."""
        if self.packing == "concat":
            return np.array([row, row + 1]) * self.max_length
        offsets = self._load(OFFSETS)
        if self.packing == "none":
            return offsets[row : row + 2]
        first, last = offsets[row : row + 2]
        return np.array(self._load(TEXTS)[first : last + 1])

    def _load(self, name: str) -> np.ndarray:
        if name not in self._offsets:
            self._offsets[name] = np.load(self.folder / name, mmap_mode="r")
        return self._offsets[name]


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
