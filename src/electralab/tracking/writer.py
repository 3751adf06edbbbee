"""Metric points on their way to the store, sent in batches beside the training."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from electralab.tracking.store import reason

logger = logging.getLogger(__name__)

BATCH = 1000  # points a request; MLflow's limit
INTERVAL = 1.0  # seconds in which points gather
LONGEST_PAUSE = 30.0  # seconds between two tries at a store that does not answer


class MetricWriter:
    """Sends points from a thread of its own, so that a slow store never slows a step.

    Points that the store does not take are kept and sent again; a training never ends for them.

    Args:
        send: Delivers a list of points or raises.
    """

    def __init__(self, send: Callable[[list[Any]], None]) -> None:
        self._send = send
        self._points: list[Any] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._flush = False
        self._busy = False
        self.failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def put(self, points: list[Any]) -> None:
        """Takes points; returns at once."""
        with self._changed:
            self._points.extend(points)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="metrics")
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float = 20.0) -> int:
        """Waits until everything is sent, or one try has failed.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The number of points that are still here.
        """
        with self._changed:
            if self._thread is None:
                return 0
            self._flush = True
            self.failure = None
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self.failure or not (self._points or self._busy), timeout
            )
            return len(self._points)

    def close(self, timeout: float = 20.0) -> int:
        """Flushes, ends the thread, and returns the number of points that were not delivered."""
        left = self.flush(timeout)
        if left and self.failure:
            # A store that answered was perhaps only in the middle of somebody else's transaction.
            left = self.flush(timeout)
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        return left

    def _work(self) -> None:
        pause = INTERVAL
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._points or self._closing.is_set())
                # Let more points gather, unless someone waits for these.
                self._changed.wait_for(lambda: self._flush or self._closing.is_set(), pause)
                if self._closing.is_set():
                    return
                batch, self._busy = self._points[:BATCH], True
            failure = None
            try:
                if batch:
                    self._send(batch)
            except Exception as error:
                failure = error
            with self._changed:
                if failure is None:
                    del self._points[: len(batch)]
                    pause = INTERVAL
                    self._flush = self._flush and bool(self._points)
                else:
                    if pause == INTERVAL:
                        logger.warning(
                            "The tracking store does not take metrics (%s); they are kept and "
                            "sent again.",
                            reason(failure),
                        )
                    pause = min(pause * 2, LONGEST_PAUSE)
                    self._flush = False
                self.failure, self._busy = failure, False
                self._changed.notify_all()
