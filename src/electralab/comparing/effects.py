"""An objective over the settings: a line, a heat map, a scatter plot, parallel coordinates."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from electralab.comparing.axes import (
    BEST,
    COLOURS,
    GREY,
    Scale,
    better,
    label,
    of_key,
    shortened,
    spread_in_words,
)
from electralab.comparing.points import Point, Value, signed
from electralab.comparing.results import SEED, Objective
from electralab.comparing.settings import show
from electralab.comparing.table import brief_names
from electralab.running.chain_report import cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = 10  # values that are each named on an axis
_CELLS = 15  # of a row or column of a heat map, that there is room to write in
_AXES = 10  # of parallel coordinates


def value(point: Point, objective: Objective) -> Value:
    """Returns a point's value of an objective."""
    found = point.value(objective.metric)
    if found is None:
        raise KeyError(objective.metric)
    return found


def _figure(width: float, height: float) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _colours(objective: Objective) -> Any:
    """Returns a colour map on which brighter is better; its last, too light for lines, are left."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["cividis"](range(232))
    return ListedColormap(colours if objective.direction == "max" else colours[::-1])


def runs(shown: Sequence[Point], keys: Sequence[str], objective: Objective, every: Any) -> Any:
    """Draws a dot a run, for one point and its seeds."""
    [point] = shown
    found = [run for run in point.finished if objective.metric in run.metrics]
    figure, ax = _figure(max(4.5, 1.5 + 0.35 * len(found)), 3.4)
    names = [show(run.settings[SEED]) if SEED in run.settings else run.label for run in found]
    spot = value(point, objective)
    if spot.sd is not None:
        ax.axhspan(spot.mean - spot.sd, spot.mean + spot.sd, color=COLOURS[0], alpha=0.12, lw=0)
        ax.axhline(spot.mean, color=COLOURS[0], lw=1)
    ax.plot(
        range(len(found)),
        [run.metrics[objective.metric] for run in found],
        "o",
        ms=5,
        color=COLOURS[0],
    )
    ax.set_xticks(range(len(found)), [shortened(name, 18) for name in names])
    if len(found) > 8:
        ax.tick_params(axis="x", rotation=90)
    ax.set(xlabel="seed" if SEED in point.results[0].settings else "run", ylabel=better(objective))
    ax.set_title(f"{objective.metric}: {cell(spot.mean, spot.sd)}")
    ax.margins(x=0.5 / max(1, len(found)))
    return figure


def line(shown: Sequence[Point], keys: Sequence[str], objective: Objective, every: Any) -> Any:
    """Draws the mean over a setting, with error bars and a faint dot a seed."""
    [key] = keys
    axis = of_key(shown, key)
    figure, ax = _figure(max(5.0, 2 + 0.25 * len(axis.values)), 3.6)
    placed = sorted(shown, key=lambda point: axis.place(point.settings[key]))
    spots = [axis.place(point.settings[key]) for point in placed]
    values = [value(point, objective) for point in placed]
    for spot, point in zip(spots, placed, strict=True):
        seeds = [run.metrics.get(objective.metric) for run in point.finished]
        if len(seeds) > 1:
            ax.plot([spot] * len(seeds), seeds, "o", ms=3.5, color=GREY, zorder=1)
    joined = axis.kind != "categories" or isinstance(axis.values[0], int | float)
    spread = any(one.sd is not None for one in values)
    ax.errorbar(
        spots,
        [one.mean for one in values],
        yerr=[one.sd or 0.0 for one in values] if spread else None,
        fmt="o-" if joined else "o",
        color=COLOURS[0],
        capsize=3,
        ms=5,
    )
    for spot, point in zip(spots, placed, strict=True):
        if point.best:
            where = (spot, value(point, objective).mean)
            ax.annotate(BEST, where, xytext=(5, 5), textcoords="offset points")
    _ticks(ax, axis)
    ax.set(xlabel=key + (", logarithmic" if axis.kind == "log" else ""), ylabel=better(objective))
    ax.set_title(f"{objective.metric}{spread_in_words(shown, objective.metric)}")
    return figure


def _ticks(ax: Axes, axis: Scale, *, which: str = "x") -> None:
    """Names each value where they are few."""
    from matplotlib.ticker import LogFormatter, NullFormatter

    on = getattr(ax, f"{which}axis")
    if axis.kind == "log":
        getattr(ax, f"set_{which}scale")("log")
        on.set_minor_formatter(NullFormatter())
        on.set_major_formatter(LogFormatter())  # the default writes formulas
    if len(axis.values) <= _TICKS or axis.kind == "categories":
        names = [shortened(show(one), 18) for one in axis.values]
        on.set_ticks([axis.place(one) for one in axis.values], labels=names)
        if which == "x" and sum(map(len, names)) > 60:
            ax.tick_params(axis="x", rotation=30 if len(names) <= _TICKS else 90)
    if axis.kind == "categories":
        getattr(ax, f"set_{which}lim")(-0.5, len(axis.values) - 0.5)


def heat_map(
    shown: Sequence[Point], keys: Sequence[str], objective: Objective, every: Sequence[Point]
) -> Any:
    """Draws a colour a pair of settings, with its mean and standard deviation written on it."""
    import numpy as np

    down, across = (of_key(every, key) for key in keys)
    grid = np.full((len(down.values), len(across.values)), np.nan)
    places = {
        point.number: tuple(
            [show(one) for one in axis.values].index(show(point.settings[key]))
            for axis, key in ((down, keys[0]), (across, keys[1]))
        )
        for point in every
    }
    for point in shown:
        grid[places[point.number]] = value(point, objective).mean
    rows, columns = grid.shape
    figure, ax = _figure(
        min(16, max(4.8, 2.4 + 0.95 * columns)), min(12, max(2.8, 1.4 + 0.55 * rows))
    )
    image = ax.imshow(grid, cmap=_colours(objective), aspect="auto")
    ax.set_facecolor("#eeeeee")
    small = 8 if columns <= 10 else 6
    for point in every if columns <= _CELLS and rows <= _CELLS else []:
        row, column = places[point.number]
        if point in shown:
            one = value(point, objective)
            words = cell(one.mean, one.sd).replace(" ± ", "\n± ")
            words += f" {BEST}" if point.best else ""
            red, green, blue, _ = image.cmap(image.norm(one.mean))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            colour = "white" if dark else "black"
        else:
            words, colour = point.status.lower(), "#555555"
        ax.text(column, row, words, ha="center", va="center", fontsize=small, color=colour)
    for which, axis, key in (("y", down, keys[0]), ("x", across, keys[1])):
        names = [shortened(show(one), 18) for one in axis.values]
        getattr(ax, f"set_{which}ticks")(range(len(names)), names)
        getattr(ax, f"set_{which}label")(key)
    if columns * max(len(shortened(show(one), 18)) for one in across.values) > 12 * columns:
        ax.tick_params(axis="x", rotation=30)
    figure.colorbar(image, label=better(objective))
    ax.set_title(f"{objective.metric}{spread_in_words(shown, objective.metric)}")
    return figure


def scatter(shown: Sequence[Point], keys: Sequence[str], objective: Objective, every: Any) -> Any:
    """Draws a coloured dot a pair of settings, for pairs that form no grid."""
    figure, ax = _figure(5.6, 4.0)
    across, up = (of_key(shown, key) for key in keys)
    spots = [
        (across.place(point.settings[keys[0]]), up.place(point.settings[keys[1]]))
        for point in shown
    ]
    means = [value(point, objective).mean for point in shown]
    dots = ax.scatter(
        *zip(*spots, strict=True), c=means, cmap=_colours(objective), s=45, ec="#444444", lw=0.5
    )
    for spot, point in zip(spots, shown, strict=True):
        if point.best:
            ax.annotate(BEST, spot, xytext=(6, 4), textcoords="offset points")
    _ticks(ax, across)
    _ticks(ax, up, which="y")
    ax.set(xlabel=keys[0], ylabel=keys[1])
    ax.set_title(f"{objective.metric}{spread_in_words(shown, objective.metric)}")
    figure.colorbar(dots, label=better(objective))
    return figure


def parallel(shown: Sequence[Point], keys: Sequence[str], objective: Objective, every: Any) -> Any:
    """Draws a line a point through its values of all settings to its value of the objective."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.patheffects import withStroke

    keys = keys[:_AXES]
    axes = [of_key(shown, key) for key in keys]
    means = [value(point, objective).mean for point in shown]
    figure, ax = _figure(2.2 + 1.5 * (len(keys) + 1), 4.2)
    norm = Normalize(min(means), max(means) if max(means) > min(means) else min(means) + 1)
    colours = _colours(objective)
    order = sorted(range(len(shown)), key=lambda index: signed(shown[index], objective))
    for rank, index in enumerate(order):  # the best on top
        point = shown[index]
        # Lines that share a value run side by side.
        aside = 0.05 * (rank / max(1, len(order) - 1) - 0.5)
        heights = [
            axis.share(point.settings[key]) + aside for axis, key in zip(axes, keys, strict=True)
        ]
        heights.append(float(norm(means[index])))
        ax.plot(
            range(len(heights)),
            heights,
            color=colours(norm(means[index])),
            lw=2.5 if point.best else 1.2,
            path_effects=[withStroke(linewidth=4, foreground="#222222")] if point.best else None,
        )
        if point.best:
            ax.annotate(BEST, (len(keys), heights[-1]), xytext=(6, -4), textcoords="offset points")
    for spot, axis in enumerate(axes):
        _upright(ax, spot, axis)
    ax.axvline(len(keys), color="#444444", lw=0.8)
    names = [shortened(name, 16) for name in brief_names(keys)]
    ax.set_xticks(range(len(keys) + 1), [*names, shortened(objective.metric, 20)])
    ax.set(yticks=[], ylim=(-0.08, 1.08), xlim=(-0.4, len(keys) + 0.3))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)
    figure.colorbar(ScalarMappable(norm, colours), ax=ax, label=better(objective), pad=0.02)
    several = ", mean over the seeds" if any(len(point.finished) > 1 for point in shown) else ""
    ax.set_title(f"{objective.metric}, a line a point{several}")
    return figure


def _upright(ax: Axes, spot: int, axis: Scale) -> None:
    """Draws an axis of parallel coordinates with names for its values."""
    ax.axvline(spot, color="#444444", lw=0.8, zorder=1)
    values = axis.values
    if len(values) > _TICKS:
        values = [values[round(i * (len(values) - 1) / 4)] for i in range(5)]
    for one in values:
        name = show(one) if len(show(one)) <= 9 or isinstance(one, str) else f"{one:.4g}"
        ax.annotate(
            shortened(name, 14),
            (spot, axis.share(one)),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7,
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
            zorder=5,
        )


def against(points: Sequence[Point], first: Objective, second: Objective) -> Any:
    """Draws one objective over another; no point is better in both than those that are named."""
    shown = [p for p in points if None not in (signed(p, first), signed(p, second))]
    if len(shown) < 2:
        return None
    figure, ax = _figure(6.2, 4.2)
    for point in reversed(shown):
        one, other = value(point, first), value(point, second)
        ax.errorbar(
            one.mean, other.mean, xerr=one.sd or None, yerr=other.sd or None, fmt="o", capsize=2,
            color=COLOURS[0] if point.best else GREY, zorder=3 if point.best else 2,
        )  # fmt: skip
        if point.best:
            right = one.mean > statistics.fmean(value(p, first).mean for p in shown)
            ax.annotate(
                label(point),
                (one.mean, other.mean),
                xytext=(-5 if right else 5, 5),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize=7,
            )
    ax.set(xlabel=better(first), ylabel=better(second))
    ax.set_title("no point is better in both than the blue ones")
    return figure
