"""What the pictures of a comparison share: where a setting's values lie, names, colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from electralab.comparing.points import Point
from electralab.comparing.results import Objective
from electralab.comparing.settings import show
from electralab.comparing.table import brief_names

# Okabe and Ito (2008), told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
GREY = "#b8b8b8"
BEST = "★"
_DECADES = 1.5  # that values span on a logarithmic axis
_LONG = 28  # characters of a name


@dataclass(frozen=True)
class Scale:
    """Where the values of a setting lie on an axis.

    Attributes:
        kind: ``linear``, ``log`` or ``categories``.
        values: What there is, in order.
    """

    kind: str
    values: Sequence[Any]

    def place(self, value: Any) -> float:
        """Returns the coordinate of a value: itself, or the number of its category."""
        if self.kind == "categories":
            return float([show(known) for known in self.values].index(show(value)))
        return float(value)

    def share(self, value: Any) -> float:
        """Returns the coordinate as a share of the axis, 0 to 1."""
        spots = [self.place(known) for known in self.values]
        low, high, spot = min(spots), max(spots), self.place(value)
        if self.kind == "log":
            low, high, spot = math.log(low), math.log(high), math.log(spot)
        return 0.5 if high == low else (spot - low) / (high - low)


def scale(values: Iterable[Any]) -> Scale:
    """Returns the scale on which values of a setting can be told apart.

    >>> scale([1e-5, 1e-3]).kind, scale([10, 50, 25]).kind, scale(["a", 1]).kind
    ('log', 'linear', 'categories')
    >>> scale([0, 1e-5, 1e-3]).kind
    'categories'
    """
    known = list({show(value): value for value in values}.values())
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in known):
        return Scale("categories", known)
    known.sort()
    positive = [value for value in known if value > 0]
    wide = positive and max(positive) / min(positive) > 10**_DECADES
    if not wide:
        return Scale("linear", known)
    return Scale("log" if len(positive) == len(known) else "categories", known)


def of_key(points: Iterable[Point], key: str) -> Scale:
    """Returns the scale of a setting over points."""
    in_order = sorted(points, key=lambda point: point.number)
    return scale(point.settings.get(key) for point in in_order)


def shortened(name: str, limit: int = _LONG) -> str:
    """Returns a name that fits, without line breaks."""
    name = " ".join(name.split())
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def label(point: Point) -> str:
    """Returns a point's settings, briefly."""
    names = brief_names(list(point.settings))
    parts = [
        f"{name}={shortened(show(value), 20)}"
        for name, value in zip(names, point.settings.values(), strict=True)
    ]
    return shortened(" ".join(parts) or "all runs", 60)


def better(objective: Objective) -> str:
    """Returns a metric's name and which way is better."""
    wanted = "higher" if objective.direction == "max" else "lower"
    return f"{objective.metric}\n({wanted} is better)"  # two lines, for names can be long


def spread_in_words(points: Iterable[Point], metric: str) -> str:
    """Returns what error bars mean, for a title; empty where there are none."""
    counts = {
        point.metrics[metric].n
        for point in points
        if metric in point.metrics and point.metrics[metric].sd is not None
    }
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return f", mean ± sd over {low if low == high else f'{low} to {high}'} seeds"
