"""What is compared: runs with their settings, metrics and learning curves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from electralab.comparing.direction import Direction, direction, telling
from electralab.timing import TIMING_METRICS

FINISHED, FAILED, KILLED, PRUNED = "FINISHED", "FAILED", "KILLED", "PRUNED"
UNFINISHED = "UNFINISHED"  # it began, and has not said how it ended: at work, or cut off
NOT_RUN = "NOT RUN"
SEED = "seed"

Curve = list[tuple[float, float]]  # a metric over the optimiser steps


@dataclass(frozen=True)
class Result:
    """A run, or a job of a sweep that has not run yet.

    Attributes:
        run_id: Its id; empty where it has none yet.
        label: What a person knows it by: its signature or its folder.
        status: One of the constants above.
        settings: The values of the settings of interest by their keys.
        reason: Why it failed or was pruned, in one line.
        metrics: Finite numbers of the end of the run.
        seconds: What it took.
        seeds: Seeds that its metrics are means of (a chain's).
        curve: Returns a metric over the steps; empty where it was not measured in training.
    """

    run_id: str
    label: str
    status: str
    settings: Mapping[str, Any]
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    seeds: int = 1
    curve: Callable[[str], Curve] = field(default=lambda metric: [], compare=False)


@dataclass(frozen=True)
class Objective:
    """What makes one run better than another."""

    metric: str
    direction: Direction


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        title: The sweep or the runs in a few words.
        results: The runs, in the order in which they were asked for.
        keys: The settings of interest, `seed` among them where it varies.
        objective: What they are ranked by; several: the first ranks, all mark the best.
        chosen: Whether a person named the objective.
        shown: The metrics that a person asked to see; none: a few are chosen.
        together: For a key, others whose values change with its own.
        repeated: How many runs were left out, for another has the same settings and seed.
        sweep_id: Of a sweep.
        run_id: The id of a sweep's parent run.
        command: What was typed.
        status: Of the sweep.
        seconds: What the sweep took.
    """

    title: str
    results: Sequence[Result]
    keys: Sequence[str]
    objective: Sequence[Objective] = ()
    chosen: bool = True
    shown: Sequence[str] = ()
    together: Mapping[str, Sequence[str]] = field(default_factory=dict)
    repeated: int = 0
    sweep_id: str = ""
    run_id: str = ""
    command: str = ""
    status: str = ""
    seconds: float | None = None

    @property
    def points_by(self) -> list[str]:
        """The keys that tell points apart: all but `seed`, unless every point has one alone."""
        others = [key for key in self.keys if key != SEED]
        apart = {repr([result.settings.get(key) for key in others]) for result in self.results}
        return list(self.keys) if len(apart) == len(self.results) > 1 else others

    def having(self, status: str) -> list[Result]:
        """Returns the results of a status."""
        return [result for result in self.results if result.status == status]

    def metrics(self) -> list[str]:
        """Returns the metrics that any finished run has, in their order."""
        return list(dict.fromkeys(name for run in self.having(FINISHED) for name in run.metrics))


def objectives(
    given: Sequence[Mapping[str, str]], results: Sequence[Result]
) -> tuple[list[Objective], bool]:
    """Returns what runs are ranked by, and whether a person has said so.

    Args:
        given: What a sweep says, a metric and its direction each; may be empty.
        results: The runs; the most telling of their metrics stands in for an objective.
    """
    found = [
        Objective(one["metric"], one.get("direction") or direction(one["metric"])) for one in given
    ]
    if found:
        return found, True
    counts = Counter(name for run in results if run.status == FINISHED for name in run.metrics)
    most = max(counts.values(), default=0)  # what only some have, ranks only these
    likely = [name for name, count in counts.items() if count == most]
    name = telling([name for name in likely if name not in TIMING_METRICS])
    return ([Objective(name, direction(name))] if name else []), False


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns the finite numbers among what a file says of metrics."""
    return {
        str(name): float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
