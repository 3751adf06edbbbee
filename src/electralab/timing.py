"""Clock readings among the metrics: "identical" and "the same table" always mean all others."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

SPEED = "tokens_per_second"  # real ones
MFU = "mfu"  # model FLOPs utilisation: of what the machine can do, the share that the model needs
WAIT = "data_wait"  # share of the time in which a step waits for its batches
MEMORY = "peak_memory_mb"  # 10⁶ bytes
# What every training log says of its window.
OF_A_WINDOW = (SPEED, MFU, WAIT, MEMORY)
MATRIX_RATE = "matrix_flops_per_second"  # of the machine, measured at the start of a run

TIMING_METRICS = frozenset(
    {*OF_A_WINDOW, MATRIX_RATE, "seconds", "total_flos"}
    | {
        f"{split}_{name}"
        for split in ("train", "eval", "test")
        for name in ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
    }
)


def typical(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns what a summary says of all windows: the most memory, and the medians of the others.

    Args:
        history: Logs of a training.
    """
    found = {
        name: [logs[name] for logs in history if name in logs and "loss" in logs]
        for name in OF_A_WINDOW
    }
    return {
        name: max(values) if name == MEMORY else statistics.median(values)
        for name, values in found.items()
        if values
    }


def in_words(metrics: Mapping[str, float]) -> str | None:
    """Returns a line about the speed of a training; none: nothing is known of it.

    Example:
        >>> in_words({"tokens_per_second": 5240.0, "mfu": 0.41, "data_wait": 0.003})
        '5,240 tokens/s, 41 % of the matrix rate, 0.3 % waiting for data'
    """
    forms = {
        SPEED: lambda value: f"{value:,.0f} tokens/s",
        MFU: lambda value: f"{value:.0%} of the matrix rate".replace("%", " %"),
        WAIT: lambda value: f"{value:.1%} waiting for data".replace("%", " %"),
        MEMORY: lambda value: f"{value / 1e3:.1f} GB at most",
    }
    return ", ".join(form(metrics[name]) for name, form in forms.items() if name in metrics) or None
