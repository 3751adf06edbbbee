"""Ctrl-C and SIGTERM: finish the step, save a checkpoint, stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from electralab import processes
from electralab.errors import Interrupted
from electralab.training.together import highest

_OF_CLUSTERS = tuple(
    getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
_NOTED = b"\nstopping at the next safe point; once more stops at once\n"


class StopOnSignal(TrainerCallback):
    """Decides what Ctrl-C and SIGTERM do at each stage of a run. Use as a context manager.

    Usually they raise `Interrupted` at once. During training, and wherever else `hold` was called,
    the first one is noted: training stops at the end of the step, after a checkpoint. The second
    one raises. What a cluster sends shortly before the time is over counts as a first one, and is
    handed on to who listened for it before when the run is closed, to start the job again.

    Attributes:
        received: The first signal's number.
        cut: Training was ended by a signal before its last step.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.cut = False
        self._spare = 0  # signals that are noted before one raises
        self._process = os.getpid()
        self._previous: dict[int, Any] = {}
        self._handed_on: int | None = None

    def __enter__(self) -> StopOnSignal:
        # Only the main thread can set handlers; elsewhere signals keep their usual meaning.
        if threading.current_thread() is threading.main_thread():
            listened = [number for number in _OF_CLUSTERS if callable(signal.getsignal(number))]
            for number in (signal.SIGINT, signal.SIGTERM, *listened):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._handed_on is not None:
            self._previous[self._handed_on](self._handed_on, None)

    def hold(self) -> None:
        """From here on, the first signal is noted and the second one raises."""
        self._spare = 0 if self.received else 1

    def release(self) -> None:
        """From here on, a signal raises at once, and so does one that was noted.

        Raises:
            Interrupted: A signal was noted.
        """
        self._spare = 0
        self.raise_if_received()

    def raise_if_received(self) -> None:
        """Stops if a signal was noted.

        Raises:
            Interrupted: A signal was noted.
        """
        if self.received is not None:
            self._spare = 1
            raise Interrupted(128 + self.received)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return self._receive_in_worker(number)
        if number in _OF_CLUSTERS:
            self._handed_on = number
            if self.received:  # a cluster's SIGTERM comes first; it is no impatience
                return None
        self.received = self.received or number
        if self._spare:
            self._spare -= 1
            if processes.is_main():
                with suppress(OSError, ValueError):  # of a stream without a file
                    # print could be interrupted in itself
                    os.write(sys.stderr.fileno(), _NOTED)
            return None
        self._spare = 1  # closing the record of the run is not broken off by the same impatience
        raise Interrupted(128 + number)

    def _receive_in_worker(self, number: int) -> None:
        # A terminal sends Ctrl-C to the forked workers too, which the run itself is going to end;
        # a cluster sends them whatever it sends.
        if number != signal.SIGINT and not set(_OF_CLUSTERS) & set(self._previous):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """From here on, a signal waits for the end of the step."""
        self.raise_if_received()
        self.hold()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Asks for a checkpoint and the end of training, in all processes at the same step."""
        if control.should_training_stop:  # the last step is ended whole
            return
        self.received = highest(self.received or 0) or None
        if self.received is None:
            return
        self.cut = True  # which makes the Trainer save a checkpoint
        control.should_training_stop = True
