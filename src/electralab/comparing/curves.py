"""Learning curves, overlaid."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from electralab.comparing.axes import BEST, COLOURS, GREY, label
from electralab.comparing.points import Point
from electralab.comparing.results import FINISHED, PRUNED, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


def draw(points: Sequence[Point], metrics: Sequence[str]) -> Any:
    """Draws metrics and the training loss over the steps, a line a point.

    Of many points the best are named and the others grey. Bands are the standard deviation over
    the seeds; runs that did not finish are drawn as far as they came, thin and dotted.

    Args:
        points: Best first.
        metrics: The objectives; one that is measured only at the end is drawn by its counterpart
            on the validation split.

    Returns:
        A figure; None if there is no curve.
    """
    from matplotlib.figure import Figure

    names = [*metrics, "loss"]
    panels = [(name, found) for name in names if (found := _measured(points, name))]
    panels = list({name: (name, found) for _, (name, found) in panels}.values())
    if not panels:
        return None
    figure = Figure(figsize=(4.6 * len(panels) + 3, 4.0), layout="constrained")
    named = len(points) if len(points) <= len(COLOURS) else len(COLOURS) - 1
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (name, found) in zip(axes, panels, strict=True):
        for rank in reversed(range(len(points))):  # the best on top
            _line(ax, points[rank], found[rank], rank=rank, named=named)
        ax.set(title=name if name != "loss" else "training loss", xlabel="optimiser steps")
        ax.set_ylabel(name)
        ax.margins(x=0.01)
    handles = _legend(points, named)
    figure.legend(handles=handles, loc="outside right upper", title="best first", alignment="left")
    return figure


def _measured(
    points: Sequence[Point], metric: str
) -> tuple[str, list[list[tuple[str, Curve]]]] | None:
    """Returns the metric that was followed in training, and the curves of each point's runs."""
    for name in dict.fromkeys([metric, metric.replace("test_", "eval_")]):
        found = [
            [(run.status, line) for run in point.results if (line := run.curve(name))]
            for point in points
        ]
        if any(len(line) > 1 for lines in found for _, line in lines):
            return name, found
    return None


def _line(
    ax: Axes, point: Point, curves: Sequence[tuple[str, Curve]], *, rank: int, named: int
) -> None:
    colour, style = (COLOURS[rank], _STYLES[rank]) if rank < named else (GREY, "-")
    whole = [dict(curve) for status, curve in curves if status == FINISHED]
    for status, curve in curves:
        if status != FINISHED:
            ax.plot(*zip(*curve, strict=True), ls=":", lw=0.8, color=colour)
            mark = "x" if status == PRUNED else "|"
            ax.plot(*curve[-1], mark, ms=5, color=colour)
    if not whole:
        return
    steps = sorted(set.intersection(*map(set, whole)))
    mean = [statistics.fmean(curve[step] for curve in whole) for step in steps]
    ax.plot(steps, mean, ls=style, lw=1.8 if point.best else 1.1, color=colour)
    if len(whole) > 1 and rank < named:
        sd = [statistics.stdev(curve[step] for curve in whole) for step in steps]
        low = [m - s for m, s in zip(mean, sd, strict=True)]
        high = [m + s for m, s in zip(mean, sd, strict=True)]
        ax.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)


def _legend(points: Sequence[Point], named: int) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], color=COLOURS[rank], ls=_STYLES[rank], lw=1.8 if point.best else 1.1,
            label=f"{label(point)}{f' {BEST}' if point.best else ''}",
        )
        for rank, point in enumerate(points[:named])
    ]  # fmt: skip
    if rest := len(points) - named:
        handles.append(Line2D([], [], color=GREY, label=f"the other {rest}"))
    if any(run.status not in (FINISHED, PRUNED) for point in points for run in point.results):
        handles.append(Line2D([], [], color=GREY, ls=":", marker="|", label="not finished"))
    if any(run.status == PRUNED for point in points for run in point.results):
        handles.append(Line2D([], [], color=GREY, ls=":", marker="x", label="pruned"))
    return handles
