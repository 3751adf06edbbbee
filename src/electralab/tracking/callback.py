"""🤗 Trainer's MLflow callback inside a run that we opened."""

from __future__ import annotations

import math
from typing import Any

from transformers.integrations import MLflowCallback

from electralab.timing import TIMING_METRICS
from electralab.tracking.run import TrackedRun


class RunCallback(MLflowCallback):
    """Sends the Trainer's logs to a tracked run, and does nothing else.

    The stock callback also records some 150 arguments beside our parameters, writes the points of
    a resumed window twice, starts a run where it finds none, and ends whatever run is active when
    it is collected.

    Args:
        run: The run; works without a store too.
    """

    def __init__(self, run: TrackedRun) -> None:
        # The stock constructor would only import MLflow, which `tracking=off` does not need.
        self._run = run
        self._training = False

    def setup(self, args: Any, state: Any, model: Any) -> None:
        """Nothing to set up: the run is open."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """From here on, steps that are recorded already are being replayed.

        What a checkpoint knows and the record does not was lost when the power went.
        """
        self._training = True
        if state.is_world_process_zero:
            self.replay(state.log_history)

    def replay(self, history: list[dict[str, Any]]) -> None:
        """Records what was logged before a resume and is not in the record.

        Args:
            history: Of the Trainer's state.
        """
        for logs in history:
            finite = {name: value for name, value in _numbers(logs).items() if math.isfinite(value)}
            self._record(finite, int(finite.pop("step", 0)), replayed=True)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Records every number of a log at the current step."""
        if state.is_world_process_zero:
            self._record(_numbers(logs), state.global_step, replayed=self._training)

    def _record(self, numbers: dict[str, float], step: int, *, replayed: bool) -> None:
        # What a clock says is otherwise when a resumed run evaluates once more.
        clocks = {name: value for name, value in numbers.items() if name in TIMING_METRICS}
        others = {name: value for name, value in numbers.items() if name not in clocks}
        self._run.log_metrics(others, step, replayed=replayed)
        self._run.log_metrics(clocks, step, replayed=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leaves the run open for what is measured after the training."""
        self._training = False

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Checkpoints stay in the run's folder."""

    def __del__(self) -> None:
        """Ends no run, unlike the stock callback."""


def _numbers(logs: Any) -> dict[str, float]:
    found = {name: _number(value) for name, value in (logs or {}).items()}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> float | None:
    """A log entry as a number: Python's, NumPy's, or a tensor of one element; else None."""
    if isinstance(value, bool | str) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
