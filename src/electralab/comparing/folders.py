"""Runs as their folders hold them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from electralab.comparing.results import (
    FINISHED,
    NOT_RUN,
    UNFINISHED,
    Curve,
    Result,
    finite,
)
from electralab.running import folder as files
from electralab.running.history import read_history


def read_run(folder: Path, *, label: str, settings: Mapping[str, Any]) -> Result:
    """Returns what a run's folder says of it; a folder that is not there is a run to come.

    Args:
        folder: The run's folder.
        label: What the run is called.
        settings: Its settings of interest.
    """
    identity, summary = (files.read_json(folder / name) for name in (files.IDENTITY, files.SUMMARY))
    begun = bool(identity) or folder.is_dir()
    status = str(summary.get("status") or (UNFINISHED if begun else NOT_RUN))
    metrics, seconds = summary.get("metrics"), summary.get("seconds")
    seeds = summary.get("seeds")
    return Result(
        run_id=str(summary.get("run_id") or identity.get("run_id") or ""),
        label=label,
        status=status,
        settings=settings,
        reason=" ".join(str(summary.get("reason") or "").split()),
        metrics=finite(metrics) if status == FINISHED and isinstance(metrics, dict) else {},
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        seeds=len(seeds) if isinstance(seeds, list) and seeds else 1,
        curve=_Curves(folder),
    )


class _Curves:
    """Reads a run's history when a curve is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, metric: str) -> Curve:
        return curve(self._history, metric)

    @cached_property
    def _history(self) -> list[dict[str, Any]]:
        return read_history(self.folder)


def curve(history: Iterable[Mapping[str, Any]], metric: str) -> Curve:
    """Returns a metric over the steps; the last value counts where a step has several.

    Args:
        history: Logs with a ``step`` each.
        metric: A name.
    """
    points = {
        float(logs["step"]): float(logs[metric])
        for logs in history
        if isinstance(logs.get(metric), int | float)
        and isinstance(logs.get("step"), int | float)
        and math.isfinite(logs[metric])
    }
    return sorted(points.items())
