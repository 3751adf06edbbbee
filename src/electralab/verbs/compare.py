"""`electralab compare`: runs or the jobs of a sweep side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.errors import UserError, one_line
from electralab.verbs.common import locate, split_options

if TYPE_CHECKING:
    from electralab.comparing.results import Comparison

_STDOUT = "-"


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status.

    Raises:
        UserError: There is nothing to compare, or an option names what the runs do not have.
    """
    arguments, settings = split_options(_parser(), argv)
    wanted = {"csv": arguments.csv, "md": arguments.md, "html": arguments.html}
    if [*wanted.values()].count(_STDOUT) > 1:
        raise UserError("Only one of --csv, --md and --html can be `-`, which is standard output.")

    from electralab.comparing import contrast
    from electralab.comparing.direction import direction
    from electralab.comparing.finding import find
    from electralab.comparing.results import Objective
    from electralab.comparing.sweeps import state

    store, output_dir = locate(settings)
    comparison = find(arguments.what, store=store, output_dir=output_dir)
    _check(comparison)
    if names := arguments.metric:
        contrast.check_metrics(names, comparison)
        ranked = [Objective(names[0], direction(names[0]))]
        comparison = replace(comparison, objective=ranked, chosen=True, shown=tuple(names))
    tested: list[str] = []
    if arguments.test:
        key, first, second = contrast.parse(arguments.test, comparison)
        for name in names or [objective.metric for objective in comparison.objective]:
            found = contrast.contrast(comparison, key=key, first=first, second=second, metric=name)
            tested += contrast.in_words(found)
    _show(comparison, tested, file=sys.stderr if _STDOUT in wanted.values() else sys.stdout)
    print(state(comparison), file=sys.stderr)
    for kind, file in wanted.items():
        if file:
            _write(file, _MAKERS[kind](comparison))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="electralab compare",
        description="Compares the jobs of a sweep, finished or not, or any runs: mean ± standard "
        "deviation over seeds, the best marked.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="SWEEP or RUN",
        help="a sweep's folder, id, parent run or name; a run's folder, its id or the beginning of "
        "it; none: the newest sweep, or else the runs of the newest name",
    )
    parser.add_argument("--csv", metavar="FILE", help="all metrics in full precision; - is stdout")
    parser.add_argument("--md", metavar="FILE", help="the table as Markdown; - is stdout")
    parser.add_argument(
        "--html", metavar="FILE", help="one page with table, pictures and failures; - is stdout"
    )
    parser.add_argument(
        "--metric", metavar="NAME", action="append", help="show it; the first ranks (repeatable)"
    )
    parser.add_argument(
        "--test",
        metavar="KEY=A,B",
        help="the difference between two settings over runs that agree in everything else, with a "
        "bootstrap interval over the seeds",
    )
    return parser


def _check(comparison: Comparison) -> None:
    """Refuses what has nothing to show.

    Raises:
        UserError: No run has begun, or a finished one has no metrics.
    """
    from electralab.comparing.results import FINISHED

    if not comparison.results:
        raise UserError(f"There is nothing to compare: {comparison.title} has no runs.")
    finished = comparison.having(FINISHED)
    if finished and not comparison.metrics():
        names = ", ".join(result.label for result in finished[:5])
        raise UserError(
            f"RUN must have metrics, but {names} has none; evaluate on a part of the data with "
            "data.split.validation."
        )


def _show(comparison: Comparison, tested: list[str], *, file) -> None:
    from electralab.comparing.table import terminal

    print(terminal(comparison), file=file)
    if tested:
        print("", *tested, sep="\n", file=file)


def _csv(comparison: Comparison) -> str:
    from electralab.comparing.table import as_csv

    return as_csv(comparison)


def _markdown(comparison: Comparison) -> str:
    from electralab.comparing.table import as_markdown

    return as_markdown(comparison)


def _html(comparison: Comparison) -> str:
    from electralab.comparing.page import page
    from electralab.comparing.pictures import draw

    return page(comparison, draw(comparison))


_MAKERS: dict[str, Callable[[Comparison], str]] = {"csv": _csv, "md": _markdown, "html": _html}


def _write(name: str, text: str) -> None:
    from electralab.running.folder import write_whole

    if name == _STDOUT:
        sys.stdout.write(text)
        return
    try:
        write_whole(Path(name), text)
    except OSError as error:
        raise UserError(
            f"FILE must be a place that can be written, but {name} is not "
            f"({error.strerror or one_line(error)}); choose another."
        ) from error
    print(f"written to {name}", file=sys.stderr)
