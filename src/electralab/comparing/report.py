"""A comparison as files, and as a table for a person."""

from __future__ import annotations

from pathlib import Path

from electralab.comparing import page, pictures, table
from electralab.comparing.results import Comparison
from electralab.comparing.sweeps import state
from electralab.running.folder import write_whole
from electralab.running.report import say

CSV, RUNS, MARKDOWN, PAGE, PICTURES = (
    *("table.csv", "runs.csv", "table.md", "report.html", "pictures"),
)


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Writes the tables, the pictures and the page, each whole or not at all.

    The same results give the same bytes, but for clock readings and the ids of runs.

    Args:
        comparison: What is compared.
        folder: Made if it does not exist; pictures that are no longer drawn are removed.

    Returns:
        The files: ``table.csv`` (a row a point), ``runs.csv`` (a row a run), ``table.md``,
        ``report.html`` and ``pictures/*.png``.
    """
    drawn = pictures.draw(comparison)
    contents: dict[Path, str | bytes] = {
        folder / CSV: table.as_csv(comparison),
        folder / RUNS: table.runs_csv(comparison),
        folder / MARKDOWN: table.as_markdown(comparison),
        folder / PAGE: page.page(comparison, drawn),
        **{folder / PICTURES / f"{one.name}.png": one.image for one in drawn},
    }
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        write_whole(path, content)
    for path in (folder / PICTURES).glob("*.png"):
        if path not in contents:
            path.unlink()
    return list(contents)


def show(comparison: Comparison) -> None:
    """Prints the table to standard error."""
    say("", *table.terminal(comparison).splitlines(), state(comparison))
