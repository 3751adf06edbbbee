"""The points of a comparison: runs that differ in nothing but the seed, taken together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from electralab.comparing.results import FINISHED, SEED, Comparison, Objective, Result
from electralab.comparing.settings import show
from electralab.running.chain_report import SPREAD
from electralab.timing import OF_A_WINDOW, SPEED, TIMING_METRICS


@dataclass(frozen=True)
class Value:
    """A metric of a point.

    Attributes:
        mean: Over its finished seeds.
        sd: Their standard deviation (n - 1); none for one seed.
        n: How many there are.
    """

    mean: float
    sd: float | None = None
    n: int = 1


@dataclass(frozen=True)
class Point:
    """Runs that differ in nothing but the seed.

    Attributes:
        number: Its place in the order in which the runs were given, from 0.
        settings: Its values of `Comparison.points_by`.
        results: All of its runs.
        metrics: Of the finished ones, without clock readings.
        seconds: Likewise.
        clocks: What their trainings said of their speed, likewise.
        best: No other point is better in all objectives.
    """

    number: int
    settings: dict[str, Any]
    results: Sequence[Result]
    metrics: dict[str, Value]
    seconds: Value | None
    clocks: dict[str, Value]
    best: bool = False

    @property
    def finished(self) -> list[Result]:
        """The runs that count."""
        return [result for result in self.results if result.status == FINISHED]

    @property
    def status(self) -> str:
        """``FINISHED``, or what became of the runs that did not."""
        if len(self.finished) == len(self.results):
            return FINISHED
        others = dict.fromkeys(r.status for r in self.results if r.status != FINISHED)
        return ", ".join(others)

    @property
    def speed(self) -> Value | None:
        """Tokens per second."""
        return self.clocks.get(SPEED)

    def value(self, metric: str) -> Value | None:
        """Returns a metric, or what is said of the speed where that is asked for."""
        return self.metrics.get(metric, self.clocks.get(metric))


def points(comparison: Comparison) -> list[Point]:
    """Returns the points, best first by the first objective, then those without a finished run.

    A comparison over seeds alone has one point.
    """
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in comparison.results:
        key = tuple(show(result.settings.get(key)) for key in comparison.points_by)
        groups.setdefault(key, []).append(result)
    found = [
        _point(number, group, comparison.points_by) for number, group in enumerate(groups.values())
    ]
    best = _undominated(found, comparison.objective)
    found = [
        Point(**{**vars(point), "best": point.number in best and len(found) > 1}) for point in found
    ]
    return sorted(found, key=lambda point: (_rank(point, comparison.objective), point.number))


def _point(number: int, results: list[Result], keys: Sequence[str]) -> Point:
    finished = [result for result in results if result.status == FINISHED]
    names = dict.fromkeys(name for result in finished for name in result.metrics)
    return Point(
        number=number,
        settings={key: results[0].settings.get(key) for key in keys},
        results=results,
        metrics={
            name: _value(name, finished)
            for name in names
            if name not in TIMING_METRICS and not is_spread(name, names)
        },
        seconds=over([result.seconds for result in finished if result.seconds is not None]),
        clocks={name: _value(name, finished) for name in OF_A_WINDOW if name in names},
    )


def is_spread(name: str, names: Iterable[str]) -> bool:
    """Says whether a metric is the standard deviation of another one, as a chain has them."""
    return name.endswith(SPREAD) and name.removesuffix(SPREAD) in names


def _value(name: str, finished: list[Result]) -> Value:
    having = [result for result in finished if name in result.metrics]
    if len(having) == 1:  # a chain's own spread over its fine-tuning seeds
        [result] = having
        spread = result.metrics.get(f"{name}{SPREAD}")
        return Value(result.metrics[name], spread, result.seeds if spread is not None else 1)
    return over([result.metrics[name] for result in having])


def over(values: Sequence[float]) -> Value | None:
    """Returns the mean of some values and their standard deviation (n - 1)."""
    if not values:
        return None
    # The same to the last bit in whatever order runs finished.
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Value(statistics.fmean(values), sd, len(values))


def signed(point: Point, objective: Objective) -> float | None:
    """Returns a point's value of an objective so that higher is better; None if it has none."""
    value = point.value(objective.metric)
    if value is None:
        return None
    return value.mean if objective.direction == "max" else -value.mean


def _rank(point: Point, objectives: Sequence[Objective]) -> tuple[int, float]:
    value = signed(point, objectives[0]) if objectives else None
    if value is not None:
        return 0, -value
    return (1 if point.finished else 2), 0.0


def _undominated(found: Sequence[Point], objectives: Sequence[Objective]) -> set[int]:
    """Returns the numbers of the points that no other betters; of one objective, the best."""
    values = {}
    for point in found:
        value = [signed(point, objective) for objective in objectives]
        if value and None not in value:
            values[point.number] = value

    def beaten(one: list[float]) -> bool:
        return any(
            other != one and all(a >= b for a, b in zip(other, one, strict=True))
            for other in values.values()
        )

    return {number for number, value in values.items() if not beaten(value)}


def varies(comparison: Comparison) -> bool:
    """Says whether the points are groups over seeds."""
    return SEED in comparison.keys and SEED not in comparison.points_by
