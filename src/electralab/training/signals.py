"""Ctrl-C and SIGTERM: finish the step, save a checkpoint, stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from electralab.errors import Interrupted


class StopOnSignal(TrainerCallback):
    """Stops training at the end of the step in which a signal came, after a checkpoint.

    A second Ctrl-C stops at once. Use as a context manager around training.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        # Only the main thread can set handlers; elsewhere signals keep their usual meaning.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            raise Interrupted(128 + number)
        self.received = number

    def raise_if_received(self) -> None:
        """Raises:
        Interrupted: A signal came.
        """
        if self.received is not None:
            raise Interrupted(128 + self.received)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Asks for a checkpoint and the end of training."""
        if self.received is not None:
            control.should_save = True
            control.should_training_stop = True
            control.should_evaluate = False
