"""Pictures of a run, drawn without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from electralab.drawing import fonts, save
from electralab.running.data_report import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 30  # classes that have room for their names
_SHORT = 24  # characters of a name
_COLOURS = {"train": "#4c78a8", "validation": "#e45756", "test": "#222222"}


def draw_data(splits: dict[str, dict[str, Any]], path: Path) -> None:
    """Draws lengths in characters and tokens, and the balance of the classes.

    Args:
        splits: What `Look.report` says of each split, ``train`` among them.
        path: A PNG file.
    """
    import matplotlib
    from matplotlib.figure import Figure

    train = splits["train"]
    panels = [("characters", role) for role in train["characters"]]
    panels += [("tokens", side) for side in train["tokens"]]
    panels += [(kind, "") for kind in ("classes", "scores") if kind in train]
    columns = 2 if len(panels) in (2, 4) else 3
    rows = -(-len(panels) // columns)
    with matplotlib.rc_context(fonts()):
        figure = Figure(figsize=(4.4 * columns, 3.2 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (kind, part) in zip(axes, panels, strict=False):
            if kind == "classes":
                _classes(ax, splits)
            else:
                seen = {name: s[kind][part] if part else s[kind] for name, s in splits.items()}
                _lengths(ax, seen, kind, part)
        for ax in axes[len(panels) :]:
            ax.remove()
        save(figure, path)


def _lengths(ax: Axes, seen: dict[str, dict[str, Any]], kind: str, part: str) -> None:
    """Draws the histograms of the splits, in percent of their examples."""
    edges = np.array(seen["train"]["histogram"]["edges"], dtype=float)
    width = edges[2] - edges[1]
    last = max(found["histogram"]["edges"][-1] for found in seen.values())
    beyond = last > edges[-2] + 1.5 * width  # the last bin holds all that is longer
    edges[[0, -1]] = edges[1] - width, edges[-2] + width
    used = 1 + max(np.flatnonzero(found["histogram"]["counts"])[-1] for found in seen.values())
    for split, found in seen.items():
        counts = np.array(found["histogram"]["counts"])
        fill = split == "train"
        ax.stairs(
            100 * counts[:used] / counts.sum(),
            edges[: used + 1],
            fill=fill,
            alpha=0.5 if fill else 1,
            color=_COLOURS[split],
            label=f"{split}: median {in_words(found['median'])}, max {in_words(found['max'])}",
        )
    ax.set(xlabel=f"{kind}; the last bin: all with more" if beyond else kind)
    ax.set(ylabel="% of the examples")
    ax.set_title(kind + (f" ({part})" if part not in ("", "row", "text") else ""))
    limit = seen["train"].get("limit")
    if limit is not None:
        key = "max_target_length" if part == "target" else "max_length"
        share = 100 * seen["train"]["truncated"] / sum(seen["train"]["histogram"]["counts"])
        label = f"{key} {limit}: {share:.1f} % cut off"
        near = limit <= edges[used] + 10 * width
        ax.axvline(limit if near else np.nan, 0, 0.7, color="black", ls="--", lw=1, label=label)
    ax.set_ylim(0, ax.get_ylim()[1] / 0.7)  # room for the legend
    ax.legend(loc="upper right")


def _classes(ax: Axes, splits: dict[str, dict[str, Any]]) -> None:
    """Draws the share of the examples that each class has, of each split."""
    train = splits["train"]["classes"]
    names = list(train)
    many = len(names) > NAMED
    if many:
        names.sort(key=lambda name: -train[name])
    places = np.arange(len(names))
    small = 9 if len(names) <= 10 else 8 if len(names) <= 16 else 6
    for split, found in splits.items():
        # An example can have several classes, so these are shares of examples, not of labels.
        share = [100 * found["classes"].get(name, 0) / found["examples"] for name in names]
        colour = _COLOURS[split]
        if split != "train":
            across = (places, share) if many else (share, places)
            ax.plot(*across, "|" if not many else "_", ms=9, mew=2, color=colour, label=split)
        elif many:
            ax.bar(places, share, width=1, color=colour, alpha=0.5)
        else:
            ax.barh(places, share, height=0.8 if len(names) > 3 else 0.5, color=colour, alpha=0.5)
            for place, name in zip(places, names, strict=True):
                ax.annotate(
                    f"{train[name]:,}",
                    (0, place),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=small,
                )
    if many:
        ax.set(ylabel="% of the examples", xlabel="the largest first", xticks=[])
    else:
        labels = [_shortened(name) for name in names]
        ax.set_yticks(places, labels, fontsize=small, parse_math=False)
        ax.invert_yaxis()
        ax.set(xlabel="% of the examples")
    ax.set_title(f"{len(names)} classes")
    if len(splits) > 1:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"
