"""Two settings of a comparison against each other, run by run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from electralab.checking.nearest import did_you_mean
from electralab.comparing.direction import direction
from electralab.comparing.paired import COVERAGE, LEAST, ROUGH, Paired, paired
from electralab.comparing.results import FINISHED, SEED, Comparison, Result
from electralab.comparing.settings import read, show
from electralab.errors import UserError
from electralab.running.chain_report import cell
from electralab.timing import OF_A_WINDOW, TIMING_METRICS


@dataclass(frozen=True)
class Contrast:
    """The second setting less the first, over pairs of runs that agree in everything else.

    Attributes:
        key: The setting.
        first: One value.
        second: The other.
        metric: What is compared.
        result: The test. Its unit is a seed: pairs of one seed at several other settings share
            what the seed draws, so they count as one, by their mean.
        pairs: How many there are.
        over_seeds: Whether `seed` varies; else the units are the other settings themselves.
    """

    key: str
    first: Any
    second: Any
    metric: str
    result: Paired
    pairs: int
    over_seeds: bool


def parse(text: str, comparison: Comparison) -> tuple[str, Any, Any]:
    """Reads ``KEY=A,B``.

    Args:
        text: As typed.
        comparison: Has that key and those values.

    Raises:
        UserError: It has not.
    """
    key, sign, values = text.partition("=")
    keys = comparison.points_by
    if not sign:
        raise UserError(f"--test must be KEY=A,B, but is `{text}` instead.")
    if key == SEED:
        raise UserError("--test must name a setting other than `seed`: the pairs are runs of one.")
    if key not in keys:
        there = did_you_mean(key, keys) if keys else "; there is none."
        raise UserError(f"--test must name a setting in which the runs differ, not `{key}`{there}")
    known = {show(run.settings[key]): run.settings[key] for run in comparison.results}
    # A value may have a comma of its own.
    splits = [index for index, sign in enumerate(values) if sign == ","]
    for index in splits:
        found = [_among(side, known) for side in (values[:index], values[index + 1 :])]
        if None not in found and found[0] != found[1]:
            return key, known[found[0]], known[found[1]]
    raise UserError(
        f"--test must be `{key}=A,B` with two different values of {', '.join(known)}, but is "
        f"`{text}` instead."
    )


def _among(text: str, known: dict[str, Any]) -> str | None:
    """Returns the known value that a text means: 10.0 is 10."""
    text = text.strip()
    if text in known:
        return text
    number = read(text)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return next((shown for shown, value in known.items() if value == number), None)


def contrast(comparison: Comparison, *, key: str, first: Any, second: Any, metric: str) -> Contrast:
    """Compares two values of a setting.

    Args:
        comparison: The runs.
        key: The setting.
        first: One of its values.
        second: The other; the difference is this one less the first.
        metric: What is compared.

    Raises:
        UserError: No two finished runs differ in this setting alone.
    """
    arms = [
        _by_the_rest(comparison, key=key, wanted=wanted, metric=metric)
        for wanted in (first, second)
    ]
    shared = [rest for rest in arms[0] if rest in arms[1]]
    if not shared:
        raise UserError(
            f"--test needs two finished runs that differ in `{key}` alone and have `{metric}`, "
            f"but there are none with {show(first)} and {show(second)}."
        )
    seeded = SEED in comparison.keys
    units: dict[str, list[float]] = {}
    for rest in shared:
        unit = dict(rest)[SEED] if seeded else str(rest)
        one, other = (arm[rest].metrics[metric] for arm in arms)
        units.setdefault(unit, []).append(other - one)
    return Contrast(
        key=key,
        first=first,
        second=second,
        metric=metric,
        result=paired([statistics.fmean(found) for found in units.values()]),
        pairs=len(shared),
        over_seeds=seeded,
    )


def _by_the_rest(
    comparison: Comparison, *, key: str, wanted: Any, metric: str
) -> dict[tuple[tuple[str, str], ...], Result]:
    """Returns the finished runs of a setting by all their other settings."""
    return {
        tuple((k, show(run.settings.get(k))) for k in comparison.keys if k != key): run
        for run in comparison.results
        if run.status == FINISHED
        and metric in run.metrics
        and show(run.settings.get(key)) == show(wanted)
    }


def in_words(found: Contrast) -> list[str]:
    """Returns what a contrast says, a line each."""
    result, n = found.result, len(found.result.differences)
    units = "seed" if found.over_seeds else "pair"
    wanted = "higher" if direction(found.metric) == "max" else "lower"
    lines = [
        f"{found.metric} ({wanted} is better), {found.key}={show(found.second)} less "
        f"{found.key}={show(found.first)}",
        f"  mean difference {cell(result.mean, result.sd, sign='+')}, over {n} {_many(units, n)}",
    ]
    if found.over_seeds and found.pairs > n:
        lines[-1] += f" ({found.pairs} pairs, averaged within each seed)"
    if result.interval is None:
        lines.append(f"  no interval: it takes at least {LEAST} {units}s, and there are {n}")
    else:
        low, high = (cell(end, sign="+") for end in result.interval)
        where = "holds no zero" if result.interval[0] * result.interval[1] > 0 else "holds zero"
        lines.append(f"  95 % bootstrap interval {low} to {high}, which {where}")
        if n < ROUGH:
            lines.append(
                f"  rough: with {n} {units}s such an interval holds the true difference about "
                f"{COVERAGE[n]} times in 100, not 95"
            )
    lines.append(f"  {result.agreeing} of {n} {_many(units, n)} have the sign of the mean")
    if not found.over_seeds:
        lines.append("  pairs of one seed: nothing here says what another seed would do")
    return lines


def _many(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def check_metrics(names: Sequence[str], comparison: Comparison) -> None:
    """Refuses metrics that no run has.

    Raises:
        UserError: With the nearest name.
    """
    clocks = TIMING_METRICS.difference(OF_A_WINDOW)
    known = {name for result in comparison.results for name in result.metrics} - clocks
    for name in names:
        if name not in known:
            raise UserError(
                f"--metric must be one that the runs have, but is `{name}` "
                f"instead{did_you_mean(name, known)}"
            )
