"""From token ids of documents to rows of a fixed or a largest length, in flat arrays on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from electralab.data.bins import first_fit_decreasing
from electralab.data.blocks import META, OFFSETS, TEXTS, TOKENS
from electralab.data.offsets import Offsets
from electralab.data.ragged import Ragged, ragged

# Tokens of a window, whose texts make rows together. More would fill rows hardly better.
WINDOW = 1 << 19
_ROWS = 64  # and so many rows at least, where they are very long


def pack(
    batches: Iterable[Ragged | Sequence[Sequence[int]]],
    folder: Path,
    *,
    packing: str,
    max_length: int,
    cls_id: int,
    sep_id: int,
    vocab_size: int,
    special_ids: Sequence[int],
) -> dict[str, int]:
    """Writes the rows of a split; memory is that of one batch and one window.

    Args:
        batches: Documents as token ids without special tokens, many at a time; how many changes
            nothing.
        folder: An existing folder that receives the files of `TokenBlocks`.
        packing: ``concat``: documents, each with a [SEP] behind it, run on and fill whole rows, and
            less than one row is dropped at the end. ``separate``: several documents a row, each
            with its own [CLS] and [SEP], cut off at ``max_length``. ``none``: a row a document,
            likewise.
        max_length: Tokens of a row, [CLS] and [SEP] included.
        cls_id: First token of a row, or of a document in it.
        sep_id: Last token of the same.
        vocab_size: Ids are below this; it decides between two and four bytes a token.
        special_ids: Ids that `unigram` leaves out.

    Returns:
        ``documents``, ``without_tokens`` (left out), ``tokens`` (of the documents, before packing)
        and ``rows``.
    """
    dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
    count = dict.fromkeys(("documents", "without_tokens", "tokens", "rows"), 0)
    with open(folder / TOKENS, "wb") as file, ExitStack() as stack:
        how = {"dtype": dtype, "max_length": max_length, "cls_id": cls_id, "sep_id": sep_id}
        rows = _WRITERS[packing](file, folder, stack, **how)
        for batch in batches:
            ids, lengths = ragged(batch)
            count["without_tokens"] += int((lengths == 0).sum())
            lengths = lengths[lengths > 0]
            count["documents"] += len(lengths)
            if len(lengths):
                flat = ids.astype(dtype)
                count["tokens"] += len(flat)
                rows.add(flat, lengths)
        rows.finish()
        file.flush()
        os.fsync(file.fileno())
    count["rows"] = rows.count
    meta = {
        "packing": packing,
        "max_length": max_length,
        "dtype": dtype.name,
        "blocks": rows.count,
        "vocab_size": vocab_size,
        "special_ids": sorted(special_ids),
    }
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
    return count


class _Rows:
    """Rows that are written to a file, between [CLS] and [SEP]."""

    def __init__(
        self,
        file: BinaryIO,
        folder: Path,
        stack: ExitStack,
        *,
        dtype: np.dtype,
        max_length: int,
        cls_id: int,
        sep_id: int,
    ) -> None:
        self.file, self.width, self.cls_id, self.sep_id = file, max_length, cls_id, sep_id
        self.inner = max_length - 2
        self.left = np.empty(0, dtype=dtype)  # tokens that are not written yet
        self.count = 0


class _Concatenated(_Rows):
    """Rows [CLS] + (max_length - 2) tokens of the running text + [SEP]; left is less than one."""

    def add(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        stream = np.empty(len(flat) + len(lengths), dtype=flat.dtype)
        is_token = np.ones(len(stream), dtype=bool)
        is_token[np.cumsum(lengths + 1) - 1] = False
        stream[is_token] = flat
        stream[~is_token] = self.sep_id
        stream = np.concatenate([self.left, stream])
        inner = self.inner
        full = len(stream) // inner
        rows = np.empty((full, self.width), dtype=flat.dtype)  # (rows, max_length)
        rows[:, 0] = self.cls_id
        rows[:, 1:-1] = stream[: full * inner].reshape(full, inner)
        rows[:, -1] = self.sep_id
        rows.tofile(self.file)
        self.left = stream[full * inner :].copy()
        self.count += full

    def finish(self) -> None:
        """Drops what fills no row."""


class _Alone(_Rows):
    """Rows [CLS] + a document, cut off + [SEP]."""

    def __init__(self, file: BinaryIO, folder: Path, stack: ExitStack, **how: Any) -> None:
        super().__init__(file, folder, stack, **how)
        self.offsets = stack.enter_context(Offsets(folder / OFFSETS))

    def add(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        self.write(*self.framed(flat, lengths))

    def write(self, texts: np.ndarray, lengths: np.ndarray) -> None:
        texts.tofile(self.file)
        self.offsets.add(lengths)
        self.count += len(lengths)

    def finish(self) -> None:
        """Nothing is left over."""

    def framed(self, flat: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns documents, one behind the other, with their special tokens; and their lengths."""
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(flat)) - np.repeat(starts, lengths)  # of a token in its document
        kept = np.minimum(lengths, self.inner)
        texts = np.empty(int(kept.sum()) + 2 * len(kept), dtype=flat.dtype)
        is_token = np.ones(len(texts), dtype=bool)
        ends = np.cumsum(kept + 2)
        is_token[ends - 1] = is_token[ends - kept - 2] = False
        texts[is_token] = flat[place < self.inner]
        texts[ends - kept - 2] = self.cls_id
        texts[ends - 1] = self.sep_id
        return texts, kept + 2


class _Separate(_Alone):
    """Rows of several documents as above, those of a window put together as they fit best."""

    def __init__(self, file: BinaryIO, folder: Path, stack: ExitStack, **how: Any) -> None:
        super().__init__(file, folder, stack, **how)
        self.window = max(WINDOW, _ROWS * self.width)
        self.texts = stack.enter_context(Offsets(folder / TEXTS))
        self.waiting = self.left, np.empty(0, dtype=np.int64)

    def add(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        pieces = zip(self.waiting, self.framed(flat, lengths), strict=True)
        texts, sizes = (np.concatenate(both) for both in pieces)
        ends = np.cumsum(sizes)
        done = first = 0  # tokens and texts that are written
        # A window ends with the text that reaches its size, so that batches do not decide.
        while (last := np.searchsorted(ends, done + self.window)) < len(ends):
            self.write(texts[done : ends[last]], sizes[first : last + 1])
            done, first = int(ends[last]), int(last) + 1
        self.waiting = texts[done:].copy(), sizes[first:].copy()

    def write(self, texts: np.ndarray, lengths: np.ndarray) -> None:
        order, together = first_fit_decreasing(lengths, self.width)
        starts = (np.cumsum(lengths) - lengths)[order]  # where they are taken from
        lengths = lengths[order]
        here = np.cumsum(lengths) - lengths  # where they go
        texts[np.repeat(starts - here, lengths) + np.arange(len(texts))].tofile(self.file)
        self.texts.add(lengths)
        self.offsets.add(together)
        self.count += len(together)

    def finish(self) -> None:
        """Packs the last window, which is smaller."""
        if len(self.waiting[1]):
            self.write(*self.waiting)


_WRITERS = {"concat": _Concatenated, "separate": _Separate, "none": _Alone}
