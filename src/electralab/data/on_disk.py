"""A number a document, in files that vanish with their use: memory stays flat as a corpus grows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CHUNK = 1 << 18  # numbers looked at in one go


class Column:
    """Numbers that are appended a batch at a time and then read as an array, memory-mapped.

    Args:
        dtype: Of the numbers.
        folder: Where its file lies, without a name; none: where temporary files do.
    """

    def __init__(self, dtype: type, folder: Path | None) -> None:
        self.dtype = np.dtype(dtype)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open as long as the column)

    def append(self, values: np.ndarray) -> None:
        """Writes some numbers behind those that are there."""
        self._file.write(np.ascontiguousarray(values, dtype=self.dtype).data)

    def array(self) -> np.ndarray:
        """Returns all of them, as an array whose changes go to the file."""
        self._file.flush()
        if not self._file.tell():
            return np.empty(0, dtype=self.dtype)
        return np.asarray(np.memmap(self._file, dtype=self.dtype, mode="r+"))


def chunks(length: int) -> Iterator[slice]:
    """Yields slices that together are an array of some length."""
    for start in range(0, length, CHUNK):
        yield slice(start, min(start + CHUNK, length))


def numbers(length: int, folder: Path | None) -> np.ndarray:
    """Returns 0, 1, … in int64, of shape ``(length,)``."""
    column = Column(np.int64, folder)
    for part in chunks(length):
        column.append(np.arange(part.start, part.stop))
    return column.array()


def gathered(values: np.ndarray, rows: np.ndarray, folder: Path | None) -> np.ndarray:
    """Returns ``values[rows]``."""
    column = Column(values.dtype.type, folder)
    for part in chunks(len(rows)):
        column.append(values[rows[part]])
    return column.array()


def joined(arrays: list[np.ndarray], folder: Path | None) -> np.ndarray:
    """Returns arrays of one type, one behind the other."""
    column = Column(arrays[0].dtype.type, folder)
    for values in arrays:
        for part in chunks(len(values)):
            column.append(values[part])
    return column.array()


def places(flags: np.ndarray, folder: Path | None) -> np.ndarray:
    """Returns where an array is zero, ascending, in int64."""
    column = Column(np.int64, folder)
    for part in chunks(len(flags)):
        column.append(np.flatnonzero(flags[part] == 0) + part.start)
    return column.array()


def alike(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields where keys of one range of values stand in each array, range by range.

    Equal keys are of one range, so that a set of all of them is never needed.

    Args:
        arrays: Evenly spread keys, uint64, each of shape ``(keys,)``.
    """
    bits = max(0, (sum(map(len, arrays)) // CHUNK).bit_length())
    for wanted in range(1 << bits):
        yield tuple(_of_range(keys, wanted, bits) for keys in arrays)


def _of_range(keys: np.ndarray, wanted: int, bits: int) -> np.ndarray:
    if not bits:
        return np.arange(len(keys))
    shift = np.uint64(64 - bits)
    found = [
        np.flatnonzero(keys[part] >> shift == np.uint64(wanted)) + part.start
        for part in chunks(len(keys))
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *found])


def distinct(keys: np.ndarray) -> int:
    """Returns how many different keys there are."""
    return sum(_runs(np.sort(keys[at])) for (at,) in alike(keys))


def _runs(ordered: np.ndarray) -> int:
    """Returns how many different numbers there are; `numpy.unique` takes ten times as long."""
    return int((ordered[1:] != ordered[:-1]).sum()) + (len(ordered) > 0)


def found_in(keys: np.ndarray, others: np.ndarray) -> int:
    """Returns how many keys stand among others too."""
    return sum(int(np.isin(keys[a], others[b]).sum()) for a, b in alike(keys, others))
