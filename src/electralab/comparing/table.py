"""The table of a comparison: for a terminal, as Markdown, and whole as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from electralab.comparing.points import Point, Value, points, varies
from electralab.comparing.results import FINISHED, SEED, Comparison
from electralab.comparing.settings import show
from electralab.comparing.sweeps import where
from electralab.running.chain_report import SPREAD, cell
from electralab.terminal import visible
from electralab.timing import OF_A_WINDOW, TIMING_METRICS

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 100  # columns of a terminal
_MORE = 5  # metrics beside the objectives, where there is room
_LONG = 26  # characters of a value there
_TOGETHER = 4  # keys of which a note says what changes with them
_BEST = "★"


def columns(comparison: Comparison) -> list[str]:
    """Returns the metrics that a table shows: those asked for, or the objectives and a few more.

    More are those of the validation and test splits that the finished runs have, but for the
    bounds of intervals, those of the first objective's split first.
    """
    if comparison.shown:
        return list(comparison.shown)
    first = [objective.metric for objective in comparison.objective]
    have = dict.fromkeys(name for point in points(comparison) for name in point.metrics)
    main = first[0] if first else ""
    stem = main.rpartition("_")[0].partition("_")[0]  # as in `finetune.test`
    others = [
        name
        for name in have
        if name not in first
        and name.removeprefix("finetune.").startswith(("eval_", "test_"))
        and not name.endswith(("_low", "_high"))
    ]
    # The same measure of the other split goes first: it says whether the choice holds.
    twin = main.replace("eval_", "\0").replace("test_", "eval_").replace("\0", "test_")
    others.sort(key=lambda name: (name != twin, not name.startswith(f"{stem}_")))
    return first + others[:_MORE]


def terminal(comparison: Comparison, *, width: int = WIDTH) -> str:
    """Returns the table for a terminal, with fewer columns where there is no room for all."""
    from rich.console import Console
    from rich.measure import Measurement

    found, names, keys = points(comparison), columns(comparison), comparison.points_by
    least = len(names) if comparison.shown else min(len(names), len(comparison.objective) or 1)
    console = Console(file=io.StringIO(), width=width, color_system=None)
    unlimited = console.options.update(max_width=10_000)
    speed = True
    while True:
        rows = cells(comparison, found, names, keys=keys, speed=speed)
        table = _rich(rows, right_from=1 + len(keys))
        if Measurement.get(console, unlimited, table).maximum <= width:
            break
        if len(names) > least:
            names = names[:-1]
        elif speed:
            speed = False
        elif len(keys) > 1:
            keys = keys[:-1]
        else:
            break
    console.print(table)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    left_out = comparison.points_by[len(keys) :]
    more = [f"not shown, but in the CSV: {', '.join(left_out)}"] if left_out else []
    said = [caption(comparison), *lines, *more, *notes(comparison)]
    return visible("\n".join(said)).rstrip()


def _rich(rows: Sequence[Sequence[str]], *, right_from: int) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    head, *body = rows
    for index, heading in enumerate(head):
        right = index >= right_from and heading != "status"
        table.add_column(Text(heading), justify="right" if right else "left", overflow="fold")
    for row in body:
        table.add_row(*map(Text, row))  # a person's words, which may look like markup
    return table


def cells(
    comparison: Comparison,
    found: Sequence[Point],
    names: Sequence[str],
    *,
    keys: Sequence[str] | None = None,
    speed: bool = True,
) -> list[list[str]]:
    """Returns the head and the rows of a table, as text.

    Args:
        comparison: What is compared.
        found: Its points.
        names: The metrics to show.
        keys: For a narrow table, the settings to show, by the last parts of their keys where these
            tell them apart.
        speed: Whether to show tokens per second.
    """
    some = [point for point in found if point.status != FINISHED]
    timed = any(point.seconds for point in found)
    fast = speed and any(point.speed for point in found)
    seeds = varies(comparison)
    wanted = comparison.points_by if keys is None else keys
    head = ["", *(wanted if keys is None else brief_names(keys)), *names]
    head += ["seeds"] * seeds + ["time"] * timed + ["tokens/s"] * fast + ["status"] * bool(some)
    rows = [head]
    for point in found:
        row = [_BEST if point.best else ""]
        row += [(show if keys is None else _narrow)(point.settings[key]) for key in wanted]
        row += [text(point.value(name)) for name in names]
        row += [_count(point)] * seeds
        row += [duration(point.seconds)] * timed
        row += [f"{point.speed.mean:,.0f}" if point.speed else ""] * fast
        row += ["" if point.status == FINISHED else point.status.lower()] * bool(some)
        rows.append(row)
    return rows


def brief_names(keys: Sequence[str]) -> list[str]:
    """Returns the last parts of keys, or the whole of those that share theirs.

    >>> brief_names(["task.mask_prob", "adapt.trainer.max_steps", "trainer.max_steps"])
    ['mask_prob', 'adapt.trainer.max_steps', 'trainer.max_steps']
    """
    last = [key.rpartition(".")[2] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def _narrow(value: Any) -> str:
    """Returns a value with few digits, or a long one, such as a path, without its middle."""
    if isinstance(value, float):
        return min(show(value), f"{value:.4g}", key=len)
    text = " ".join(show(value).split())
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]}…{text[-_LONG // 2 + 1 :]}"


def text(value: Value | None) -> str:
    """Returns the mean and the standard deviation with four digits."""
    return "" if value is None else cell(value.mean, value.sd)


def _count(point: Point) -> str:
    done, total = len(point.finished), len(point.results)
    if (seeds := len({show(run.settings.get(SEED)) for run in point.results})) < total:
        return f"{seeds} ({total} runs)"  # of several sweeps, say, that have some in common
    return str(total) if done == total else f"{done} of {total}"


def duration(seconds: Value | float | None) -> str:
    """Returns a time in the two units that matter.

    >>> duration(12.34), duration(754.0), duration(7620.0)
    ('12.3s', '12m34s', '2h07m')
    """
    if seconds is None:
        return ""
    total = seconds.mean if isinstance(seconds, Value) else seconds
    if total < 60:
        return f"{total:.1f}s"
    minutes, rest = divmod(round(total), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def caption(comparison: Comparison) -> str:
    """Returns in one line what a table is ranked by."""
    parts = [comparison.title]
    if comparison.objective:
        wanted = {"max": "higher", "min": "lower"}
        named = ", ".join(
            f"{objective.metric} ({wanted[objective.direction]} is better)"
            for objective in comparison.objective
        )
        parts.append(f"ranked by {named}")
        if not comparison.chosen:
            parts.append("no objective was set")
    return "; ".join(parts)


def notes(comparison: Comparison, *, failures: bool = True) -> list[str]:
    """Returns what a reader must know beside the table, a line each.

    Args:
        comparison: What is compared.
        failures: Whether to say why runs failed or were pruned.
    """
    found = points(comparison)
    lines = []
    if any(value.sd is not None for point in found for value in point.metrics.values()):
        kind = "the seeds of fine-tuning"
        if any(len(point.finished) > 1 for point in found):
            kind = "the seeds" if varies(comparison) else "runs of the same settings"
        lines.append(f"mean ± standard deviation over {kind}")
    if any(point.best for point in found):
        several = len(comparison.objective) > 1
        lines.append(f"{_BEST} {'no other is better in all of them' if several else 'the best'}")
    for key, others in list(comparison.together.items())[:_TOGETHER]:
        shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if others[4:] else "")
        lines.append(f"with {key} change {shown}")
    lines += [
        f"{result.status.lower()}: {where(result) or result.label}"
        + (f": {result.reason}" if result.reason else "")
        for result in comparison.results
        if failures and result.status != FINISHED and result.reason
    ]
    return lines


def as_markdown(comparison: Comparison) -> str:
    """Returns the table as Markdown."""
    found = points(comparison)
    rows = cells(comparison, found, columns(comparison))
    escaped = [[_escaped(one) for one in row] for row in rows]
    rule = ["---"] * (1 + len(comparison.points_by))
    rule += ["---" if heading == "status" else "---:" for heading in rows[0][len(rule) :]]
    lines = [f"| {' | '.join(row)} |" for row in (escaped[0], rule, *escaped[1:])]
    below = [f"- {_escaped(note)}" for note in notes(comparison)]
    return "\n".join(
        [_escaped(caption(comparison)), "", *lines, *([""] if below else []), *below, ""]
    )


def _escaped(text: str) -> str:
    """Keeps what a person typed from being read as Markdown or HTML."""
    text = " ".join(text.split())
    text = re.sub(r"[\\`*\[\]<>|$~]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)
    return text.replace("&", "&amp;")


def as_csv(comparison: Comparison) -> str:
    """Returns a row a point with all metrics in full precision, clock readings last."""
    found = points(comparison)
    names = list(dict.fromkeys(name for point in found for name in point.metrics))
    spread = {name for p in found for name, value in p.metrics.items() if value.sd is not None}
    head = [*comparison.points_by, "best", "status", "finished", "runs"]
    for name in names:
        head += [name, f"{name}{SPREAD}"] if name in spread else [name]
    rows: list[list[str]] = [[*head, "reason", "seconds", *OF_A_WINDOW]]
    for point in found:
        row = [show(value) for value in point.settings.values()]
        row += [str(int(point.best)), point.status, str(len(point.finished))]
        row.append(str(len(point.results)))
        for name in names:
            value = point.metrics.get(name)
            row.append("" if value is None else repr(value.mean))
            if name in spread:
                row.append("" if value is None or value.sd is None else repr(value.sd))
        row.append("; ".join(dict.fromkeys(r.reason for r in point.results if r.reason)))
        clocks = (point.seconds, *(point.clocks.get(name) for name in OF_A_WINDOW))
        row += [repr(value.mean) if value else "" for value in clocks]
        rows.append(row)
    return _csv(rows)


def runs_csv(comparison: Comparison) -> str:
    """Returns a row a run, in full precision, for whoever computes on: R, pandas, a spreadsheet."""
    names = [name for name in comparison.metrics() if name not in TIMING_METRICS]
    head = [*comparison.keys, "status", *names, "reason", "label", "run_id", "seconds"]
    rows = [[*head, *OF_A_WINDOW]]
    for result in comparison.results:
        row = [show(result.settings.get(key)) for key in comparison.keys]
        row.append(result.status)
        row += [repr(result.metrics[name]) if name in result.metrics else "" for name in names]
        row += [result.reason, result.label, result.run_id]
        row.append("" if result.seconds is None else repr(result.seconds))
        clocks = [result.metrics.get(name) for name in OF_A_WINDOW]
        row += ["" if value is None else repr(value) for value in clocks]
        rows.append(row)
    return _csv(rows)


def _csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
