"""Offsets into a flat array, written while that grows, and never held in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np


class Offsets:
    """Writes where parts of a flat array begin, and where the last one ends, as a ``.npy`` file.

    Args:
        path: The file; it holds int64 of shape ``(parts + 1,)``.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed on leaving
        self._end = 0
        self._count = 0

    def __enter__(self) -> Offsets:
        self._header()
        self.add(np.zeros(1, dtype=np.int64))
        return self

    def __exit__(self, *error: object) -> None:
        self._file.seek(0)
        self._header()  # which has room for the count to grow
        self._file.close()

    def add(self, lengths: np.ndarray) -> None:
        """Takes the lengths of the next parts, of shape ``(parts,)``."""
        ends = self._end + np.cumsum(lengths, dtype=np.int64)
        if len(ends):
            self._end = int(ends[-1])
            self._count += len(ends)
            ends.tofile(self._file)

    def _header(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "<i8", "fortran_order": False, "shape": (self._count,)}
        )
        self._file.flush()  # what follows is written past this buffer
