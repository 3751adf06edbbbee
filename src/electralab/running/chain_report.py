"""What a chain came to: the adapted model against the unadapted one, seed by seed."""

from __future__ import annotations

import io
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.running.report import command_line, say, short, store_words
from electralab.timing import TIMING_METRICS

if TYPE_CHECKING:
    from electralab.config import Chain

Runs = Mapping[str, Sequence[Mapping[str, Any]]]  # the summaries of each arm, in order of the seeds
PREFIXES = ("test_", "eval_")
_SWEPT = "adapt.task.disc_weight="
SPREAD = "_sd"  # of a metric over the seeds


def compare(runs: Runs) -> dict[str, float]:
    """Returns the metrics of a chain.

    Args:
        runs: Summaries of the runs ``adapted`` and ``unadapted``.

    Returns:
        For each metric ``m`` of the held-out splits: the mean of the adapted arm, ``finetune.m``,
        that of the other arm, ``unadapted.m``, and that of their differences by seed, ``gain.m``;
        with more than one seed also their standard deviations (n - 1), ``finetune.m_sd`` and so on.
    """
    found: dict[str, float] = {}
    for name in _names(runs):
        adapted, unadapted = (_values(runs[arm], name) for arm in ("adapted", "unadapted"))
        gains = [one - other for one, other in zip(adapted, unadapted, strict=True)]
        for part, values in (("finetune", adapted), ("unadapted", unadapted), ("gain", gains)):
            found[f"{part}.{name}"] = statistics.fmean(values)
            if len(values) > 1:
                found[f"{part}.{name}{SPREAD}"] = statistics.stdev(values)
    return found


def agreeing(runs: Runs, name: str) -> int:
    """Returns for how many seeds the difference has the sign of the mean difference.

    Args:
        runs: As for `compare`.
        name: A metric.
    """
    pairs = zip(*(_values(runs[arm], name) for arm in ("adapted", "unadapted")), strict=True)
    gains = [one - other for one, other in pairs]
    mean = statistics.fmean(gains)
    return sum(gain * mean > 0 for gain in gains)


def show(
    chain: Chain, summary: Mapping[str, Any], *, adapted: str, runs: Runs, typed: Sequence[str]
) -> None:
    """Prints the comparison and the commands to type next.

    Args:
        chain: The configuration.
        summary: The chain's summary.
        adapted: Folder or name of the adapted model.
        runs: As for `compare`.
        typed: The words of the command.
    """
    best = Path(runs["adapted"][0]["folder"])
    place = shlex.quote(short(best))
    text = "'a text'" if chain.finetune.data.columns.text_pair is None else r"$'one\tother'"
    lines = [f"electralab predict {place} {text}", f"electralab export {place} {chain.name}-export"]
    if chain.adapt.task.name == "rtd":
        kept = [word for word in typed if not word.startswith(_SWEPT)]
        lines.append(command_line("electralab -m", [*kept, f"{_SWEPT}10,25,50"]))
    if chain.tracking.mode != "off":
        lines.insert(0, command_line("electralab ui", store_words(chain)))
    say(
        "",
        *_table(summary["metrics"], runs).splitlines(),
        "",
        f"done in {summary['seconds']:.0f} s",
        f"  chain folder   {shlex.quote(short(Path(summary['folder'])))}",
        f"  adapted model  {shlex.quote(adapted)}",
        f"  run id         {summary['run_id']}",
        "",
        "next",
        *(f"  {line}" for line in lines),
    )


def _table(metrics: Mapping[str, float], runs: Runs) -> str:
    """Draws the metrics of the test split, or of the validation split where there is none."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    seeds = len(runs["adapted"])
    table = Table(box=SIMPLE_HEAD, title=f"fine-tuned with {seeds} seeds, mean ± sd")
    for heading in ("", "adapted", "unadapted", "difference", "seeds that agree"):
        table.add_column(heading, justify="right" if heading else "left")
    names = _names(runs)
    for prefix in PREFIXES:
        if shown := [name for name in names if name.startswith(prefix)]:
            break
    for name in shown:
        cells = [
            cell(
                metrics[f"{part}.{name}"],
                metrics.get(f"{part}.{name}{SPREAD}"),
                sign="+" if part == "gain" else "",
            )
            for part in ("finetune", "unadapted", "gain")
        ]
        table.add_row(name, *cells, f"{agreeing(runs, name)} of {seeds}")
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    return console.file.getvalue().rstrip()


def cell(mean: float, sd: float | None = None, *, sign: str = "") -> str:
    """Returns a mean and its standard deviation with as many decimals as they can bear.

    Args:
        mean: A finite number.
        sd: None: the mean alone.
        sign: ``+`` to write the sign of positive numbers.

    >>> cell(0.73125, 0.01), cell(412.345), cell(0.0000185)
    ('0.7312 ± 0.0100', '412.3', '1.850e-05')
    """
    size = abs(mean)
    form = ".3e" if 1e-9 < size < 5e-4 > (sd or 0) else ".4f" if size < 100 else ".1f"
    return f"{mean:{sign}{form}}" if sd is None else f"{mean:{sign}{form}} ± {sd:{form}}"


def _names(runs: Runs) -> list[str]:
    """Returns the metrics that all runs have, but for clock readings."""
    every = [run["metrics"] for arm in ("adapted", "unadapted") for run in runs[arm]]
    return [
        name
        for name in every[0]
        if name.startswith(PREFIXES)
        and name not in TIMING_METRICS
        and all(math.isfinite(metrics.get(name, math.nan)) for metrics in every)
    ]


def _values(summaries: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [summary["metrics"][name] for summary in summaries]
