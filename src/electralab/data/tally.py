"""How often each number occurred: enough for all that is said of lengths, however many they are."""

from __future__ import annotations

import numpy as np

from electralab.data.on_disk import chunks

PENDING = 1 << 18  # numbers that are counted in one go


class Tally:
    """Counts numbers; memory is that of the different ones.

    Those of texts are few: they cannot be more than twice the square root of all characters.

    Args:
        values: The first ones, of shape ``(numbers,)``.
    """

    def __init__(self, values: np.ndarray | None = None) -> None:
        self._values: np.ndarray | None = None
        self._counts = np.empty(0, dtype=np.int64)
        self._pending: list[np.ndarray] = []
        self._waiting = 0
        for part in chunks(0 if values is None else len(values)):
            self.add(values[part])

    def __bool__(self) -> bool:
        return self._values is not None or self._waiting > 0

    def add(self, values: np.ndarray) -> None:
        """Takes some more."""
        self._pending.append(values)
        self._waiting += len(values)
        if self._waiting >= PENDING:
            self._count()

    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the different numbers, ascending, and how often each occurred."""
        if self._pending:
            self._count()
        assert self._values is not None
        return self._values, self._counts

    def above(self, limit: int) -> int:
        """Returns how many are above a limit."""
        values, counts = self.counted()
        return int(counts[values > limit].sum())

    def enough(self, share: float) -> int:
        """Returns the smallest of the numbers that less than a share of them is above."""
        values, counts = self.counted()
        above = counts.sum() - np.cumsum(counts)
        return int(values[np.argmax(above < share * counts.sum())])

    def quantile(self, share: float) -> float:
        """Returns a quantile, interpolated linearly as `numpy.quantile` does."""
        values, counts = self.counted()
        ends = np.cumsum(counts)
        place = share * (int(ends[-1]) - 1)
        below = int(place)
        low, high = (
            float(values[np.searchsorted(ends, at, side="right")])
            for at in (below, min(below + 1, int(ends[-1]) - 1))
        )
        rest = place - below
        if rest >= 0.5:
            return high - (high - low) * (1 - rest)
        return low + (high - low) * rest

    def _count(self) -> None:
        values, counts = np.unique(np.concatenate(self._pending), return_counts=True)
        self._pending, self._waiting = [], 0
        if self._values is not None:
            both = np.concatenate([self._values, values])
            values, where = np.unique(both, return_inverse=True)
            weights = np.concatenate([self._counts, counts])
            counts = np.zeros(len(values), dtype=np.int64)
            np.add.at(counts, where, weights)
        self._values, self._counts = values, counts
