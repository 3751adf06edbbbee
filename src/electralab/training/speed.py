"""Where the time of a training goes: what every log says of its window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from electralab.timing import MEMORY, MFU, SPEED, WAIT

if TYPE_CHECKING:
    from torch import Tensor


class Speed:
    """Clocks and counts of a training since its last log; nothing here waits for a device.

    Args:
        rate: FLOP/s of matrix products in this process, in the training's precision.
        clock: Gives seconds, from any beginning.
    """

    def __init__(self, *, rate: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.rate = rate
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Starts the clock of a training's first window."""
        self._unread: Tensor | float = 0.0  # FLOPs that lie on the device
        self._unstored = 0.0  # that the Trainer's own count lacks
        self._aside: float | None = None  # since when something else goes on
        self._next()

    def _next(self) -> None:
        self._start = self._clock()
        self.waited = self._flops = 0.0

    # What happens.

    def take(self, batches: Iterator, number: int) -> list:
        """Returns the next batches, at most so many, and counts how long they are waited for."""
        start = self._clock()
        found = list(islice(batches, number))
        self.waited += self._clock() - start
        return found

    def add(self, flops: Tensor | float) -> None:
        """Counts what a batch costs; a tensor stays where it is."""
        self._unread = self._unread + flops

    def skip(self, seconds: float) -> None:
        """Leaves out so many seconds that were no training."""
        self._start += seconds

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leaves out what is done inside: an evaluation, a checkpoint."""
        self._aside = start = self._clock()
        try:
            yield
        finally:
            self._aside = None
            self.skip(self._clock() - start)

    # What it comes to.

    @property
    def seconds(self) -> float:
        """Seconds of the window so far."""
        now = self._clock() if self._aside is None else self._aside
        return now - self._start

    @property
    def flops(self) -> float:
        """FLOPs of the window so far in this process, read back from the device."""
        found, self._unread = float(self._unread), 0.0
        self._flops += found
        self._unstored += found
        return self._flops

    def unstored(self) -> float:
        """Returns the FLOPs since this was asked last, read back from the device."""
        _ = self.flops
        found, self._unstored = self._unstored, 0.0
        return found

    def close(
        self, *, tokens: float, flops: float, waited: float, memory: int, processes: int = 1
    ) -> dict[str, float]:
        """Returns what the log says of the window, and begins the next one.

        Args:
            tokens: Real tokens of all processes.
            flops: Likewise.
            waited: Seconds, likewise.
            memory: Most bytes that one of them has needed.
            processes: How many there are, each of them as fast as this one.
        """
        seconds = max(self.seconds, 1e-9)
        self._next()
        return {
            SPEED: tokens / seconds,
            MFU: flops / (seconds * self.rate * processes),
            WAIT: waited / (seconds * processes),
            MEMORY: memory / 1e6,
        }

    # Checkpoints.

    def state(self) -> dict[str, float]:
        """Returns what a checkpoint keeps of an unfinished window."""
        return {"seconds": self.seconds, "waited": self.waited, "flops": self.flops}

    def take_up(self, found: Mapping[str, Any]) -> None:
        """Goes on with the window of a checkpoint, as if no time had passed since."""
        self._start = self._clock() - float(found.get("seconds", 0.0))
        self.waited = float(found.get("waited", 0.0))
        self._flops = float(found.get("flops", 0.0))
