"""From token ids of documents to rows of a fixed or a largest length, in flat arrays on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from electralab.data.blocks import META, OFFSETS, TOKENS
from electralab.data.ragged import Ragged, ragged


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
    """Writes the rows of a split; memory is that of one batch.

    Args:
        batches: Documents as token ids without special tokens, many at a time.
        folder: An existing folder that receives the files of `TokenBlocks`.
        packing: ``concat``: documents, each with a [SEP] behind it, run on and fill whole rows, and
            less than one row is dropped at the end. ``none``: a row a document, cut off at
            ``max_length``.
        max_length: Tokens of a row, [CLS] and [SEP] included.
        cls_id: First token of every row.
        sep_id: Last token of every row.
        vocab_size: Ids are below this; it decides between two and four bytes a token.
        special_ids: Ids that `unigram` leaves out.

    Returns:
        ``documents``, ``without_tokens`` (left out), ``tokens`` (of the documents, before packing)
        and ``rows``.
    """
    dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
    count = dict.fromkeys(("documents", "without_tokens", "tokens", "rows"), 0)
    writer = _Concatenated if packing == "concat" else _Separate
    with open(folder / TOKENS, "wb") as file:
        rows = writer(file, dtype=dtype, max_length=max_length, cls_id=cls_id, sep_id=sep_id)
        for batch in batches:
            ids, lengths = ragged(batch)
            count["without_tokens"] += int((lengths == 0).sum())
            lengths = lengths[lengths > 0]
            count["documents"] += len(lengths)
            if len(lengths):
                flat = ids.astype(dtype)
                count["tokens"] += len(flat)
                rows.add(flat, lengths)
        file.flush()
        os.fsync(file.fileno())
    count["rows"] = rows.count
    if packing == "none":
        np.save(folder / OFFSETS, rows.offsets())
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


class _Concatenated:
    """Rows [CLS] + (max_length - 2) tokens of the running text + [SEP]."""

    def __init__(
        self, file: BinaryIO, *, dtype: np.dtype, max_length: int, cls_id: int, sep_id: int
    ) -> None:
        self.file, self.width, self.cls_id, self.sep_id = file, max_length, cls_id, sep_id
        self.left = np.empty(0, dtype=dtype)  # less than a row, waiting for more
        self.count = 0

    def add(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        stream = np.empty(len(flat) + len(lengths), dtype=flat.dtype)
        is_token = np.ones(len(stream), dtype=bool)
        is_token[np.cumsum(lengths + 1) - 1] = False
        stream[is_token] = flat
        stream[~is_token] = self.sep_id
        stream = np.concatenate([self.left, stream])
        inner = self.width - 2
        full = len(stream) // inner
        rows = np.empty((full, self.width), dtype=flat.dtype)  # (rows, max_length)
        rows[:, 0] = self.cls_id
        rows[:, 1:-1] = stream[: full * inner].reshape(full, inner)
        rows[:, -1] = self.sep_id
        rows.tofile(self.file)
        self.left = stream[full * inner :].copy()
        self.count += full


class _Separate:
    """Rows [CLS] + a document, cut off + [SEP]."""

    def __init__(
        self, file: BinaryIO, *, dtype: np.dtype, max_length: int, cls_id: int, sep_id: int
    ) -> None:
        self.file, self.inner, self.cls_id, self.sep_id = file, max_length - 2, cls_id, sep_id
        self.lengths: list[np.ndarray] = []
        self.count = 0

    def add(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        starts = np.cumsum(lengths) - lengths
        place = np.arange(len(flat)) - np.repeat(starts, lengths)  # of a token in its document
        kept = np.minimum(lengths, self.inner)
        rows = np.empty(int(kept.sum()) + 2 * len(kept), dtype=flat.dtype)
        is_token = np.ones(len(rows), dtype=bool)
        ends = np.cumsum(kept + 2)
        is_token[ends - 1] = is_token[ends - kept - 2] = False
        rows[is_token] = flat[place < self.inner]
        rows[ends - kept - 2] = self.cls_id
        rows[ends - 1] = self.sep_id
        rows.tofile(self.file)
        self.lengths.append(kept + 2)
        self.count += len(kept)

    def offsets(self) -> np.ndarray:
        """Where each row begins, and where the last ends: int64 of shape ``(rows + 1,)``."""
        return np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, int), *self.lengths]))])
