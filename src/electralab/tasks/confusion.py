"""A picture of which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from electralab.drawing import fonts, save

MOST_NUMBERS = 30  # classes up to which the fields have their counts and shares written in
_NAME = 24  # letters of a class's name


def draw_confusion(counts: np.ndarray, names: Sequence[str], path: Path, *, title: str) -> Path:
    """Draws a confusion matrix, a row a true class, coloured by the share of its row.

    Args:
        counts: Rows of true, columns of predicted classes, of shape ``(classes, classes)``.
        names: Of the classes.
        path: The file.
        title: Stands above it.

    Returns:
        The file.
    """
    from matplotlib.figure import Figure

    classes = len(names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbers = classes <= MOST_NUMBERS
    side = min(3.0 + 0.65 * classes, 20.0) if numbers else 12.0  # inches
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    text = {
        "parse_math": False,
        "family": fonts()["font.family"],
        "fontsize": 9 if numbers else min(9, 600 / classes),
    }
    shown = [name if len(name) <= _NAME else f"{name[: _NAME - 1]}…" for name in names]
    if classes <= 200:
        axes.set_xticks(range(classes), shown, rotation=45 if numbers else 90, ha="right", **text)
        axes.set_yticks(range(classes), shown, **text)
        if not numbers:
            axes.tick_params(axis="x", labelrotation=90)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, parse_math=False)
    for (row, column), count in np.ndenumerate(counts) if numbers else ():
        share = shares[row, column]
        axes.text(
            *(column, row, f"{count:,}\n{share:.0%}" if count else "0"),
            ha="center",
            va="center",
            fontsize=9 if classes <= 20 else 7,
            color="white" if share > 0.5 else "black",
        )
    save(figure, path)
    return path
