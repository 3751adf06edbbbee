"""Training on a corpus of any size while it is still being read."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import Dataset

from electralab.data import segments
from electralab.data.blocks import TokenBlocks

if TYPE_CHECKING:
    from electralab.config import DataConfig
    from electralab.data.prepare import Prepared

POLL = 0.05  # seconds between two looks at what is there


class StreamedBlocks(Dataset):
    """The rows of a stream, in the order in which they are trained on.

    The stream becomes segments of some 4 million characters, which are packed one after the other
    and kept. A segment is shuffled within itself, by the seed; in later passes, once the end of the
    stream is known, the segments are shuffled too. So example ``i`` is the same in any worker and
    process and after any break. A row that is not there yet is waited for.

    Args:
        prepared: The head of the stream, whose train rows are the first segment.
        data: The configuration's `data` node.
        columns: The column of each role.
    """

    uneven = False  # rows come as they come, not in batches of like lengths

    def __init__(self, prepared: Prepared, *, data: DataConfig, columns: Mapping[str, str]) -> None:
        assert isinstance(prepared.train, TokenBlocks)
        self.folder = prepared.folder.with_suffix(".stream")
        self.max_length = prepared.train.max_length
        self.writer: segments.Writer | None = segments.Writer(
            self.folder,
            head=prepared.report["stream"]["head"],
            head_rows=len(prepared.train),
            data=data,
            columns=columns,
            tokenizer=prepared.tokenizer,
        )
        self.seed = self.length = 0
        self._head = prepared.train.folder
        self._ends = [len(prepared.train)]  # rows of the first segments, added up
        self._ended = False
        self._open: tuple[tuple[int, int], TokenBlocks, np.ndarray] | None = None
        self._order: tuple[int, np.ndarray, np.ndarray] | None = None

    def expect(self, rows: int, *, seed: int) -> StreamedBlocks:
        """Says how many examples a training takes in all, and the seed of their order."""
        self.length, self.seed = rows, seed
        return self

    def start(self) -> None:
        """Begins to make the rows that are not there."""
        if self.writer:
            self.writer.start(self.length)

    def close(self) -> None:
        """Stops making rows; those that are there are kept."""
        if self.writer:
            self.writer.stop()

    @property
    def failure(self) -> Exception | None:
        """What keeps the stream from going on, if anything does."""
        return segments.failure(self.folder)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        epoch, number, place = self._find(index)
        blocks, order = self._segment(epoch, number)
        row = int(order[place])
        first = self._ends[number - 1] if number else 0
        return {**blocks[row], "epoch": epoch, "index": first + row}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "writer": None, "_open": None}  # a worker reads only

    def _find(self, index: int) -> tuple[int, int, int]:
        """Returns the pass, the segment and the place in it of an example."""
        while index >= self._ends[-1] and not self._ended:
            self._await(len(self._ends))
        if index < self._ends[-1]:
            number = bisect_right(self._ends, index)
            return 0, number, index - (self._ends[number - 1] if number else 0)
        epoch, place = divmod(index, self._ends[-1])
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self._ends))
            self._order = epoch, order, np.cumsum(np.diff(self._ends, prepend=0)[order])
        _, order, ends = self._order
        at = int(np.searchsorted(ends, place, side="right"))
        return epoch, int(order[at]), place - (int(ends[at - 1]) if at else 0)

    def _await(self, number: int) -> None:
        """Waits for a segment, or for the end of the stream."""
        while True:
            rows = segments.rows_of(self.folder, number)
            if rows is not None:
                self._ends.append(self._ends[-1] + rows)
                return
            if (self.folder / segments.END).is_file():
                # It may have been written between the two looks.
                self._ended = segments.rows_of(self.folder, number) is None
                if self._ended:
                    return
            elif failure := self.failure:
                raise failure
            else:
                segments.ask_for_more(self.folder)
                time.sleep(POLL)

    def _segment(self, epoch: int, number: int) -> tuple[TokenBlocks, np.ndarray]:
        if self._open is None or self._open[0] != (epoch, number):
            folder = segments.place(self.folder, number) if number else self._head
            blocks = TokenBlocks(folder)
            segments.mark_used(self.folder, number)
            order = np.random.default_rng([self.seed, epoch, number]).permutation(len(blocks))
            self._open = (epoch, number), blocks, order
        return self._open[1], self._open[2]
