"""A comparison of the jobs of a sweep, or of any runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.comparing import stored
from electralab.comparing.folders import read_run
from electralab.comparing.results import (
    FINISHED,
    KILLED,
    NOT_RUN,
    UNFINISHED,
    Comparison,
    Result,
    objectives,
)
from electralab.comparing.settings import differing, show, with_all
from electralab.errors import UserError
from electralab.running import folder as files
from electralab.running.part import SWEEP_TAG
from electralab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

Found = tuple[Result, Mapping[str, Any]]  # a run and all its settings


def from_sweep(folder: Path, store: Store | None = None) -> Comparison:
    """Reads a sweep from its folder, be it finished or not.

    Args:
        folder: Holds ``sweep.json`` and a folder a job.
        store: Asked for jobs that have no folder here, such as those that ran elsewhere.

    Raises:
        UserError: The record is damaged.
    """
    record = files.read_json(folder / files.SWEEP)
    points = record.get("points")
    if not isinstance(points, list) or not isinstance(record.get("swept"), list):
        raise UserError(
            f"SWEEP must have its record, but {folder / files.SWEEP} is damaged or gone."
        )
    settings = {point["signature"]: dict(point["values"]) for point in points}
    results = [read_run(folder / sign, label=sign, settings=settings[sign]) for sign in settings]
    if record.get("status") != "RUNNING":
        results = [
            replace(run, status=KILLED) if run.status == UNFINISHED else run for run in results
        ]
    if store is not None and record.get("run_id") and any(r.status == NOT_RUN for r in results):
        results = _filled(results, store, parent=record["run_id"])
    found, chosen = objectives(record.get("objective") or (), results)
    return Comparison(
        title=f"{record.get('name', folder.parent.name)}, sweep {record.get('sweep_id', '')}",
        results=results,
        keys=record["swept"],
        objective=found,
        chosen=chosen,
        sweep_id=str(record.get("sweep_id") or ""),
        run_id=str(record.get("run_id") or ""),
        command=str(record.get("command") or ""),
        status=str(record.get("status") or ""),
        seconds=record.get("seconds"),
    )


def _filled(results: list[Result], store: Store, *, parent: str) -> list[Result]:
    """Puts what the store knows of jobs where their folders are not here."""
    known = stored.children(store, parent)
    return [
        stored.as_result(known[result.label], store, settings=result.settings)
        if result.status == NOT_RUN and result.label in known
        else result
        for result in results
    ]


def from_store(parent: Run, store: Store) -> Comparison:
    """Reads a sweep from a store alone.

    Args:
        parent: The sweep's run.
        store: Where it is.

    Raises:
        RunFailure: The store cannot be used.
    """
    tags = parent.data.tags
    jobs = list(stored.children(store, parent.info.run_id).values())
    results = [stored.as_result(job, store, settings=stored.point(job)) for job in jobs]
    every = dict.fromkeys(key for result in results for key in result.settings)
    found, chosen = objectives(_json(tags.get("objective"), ()), results)
    sweep_id = tags.get(SWEEP_TAG, "")
    return Comparison(
        title=f"{parent.info.run_name or 'runs'}, sweep {sweep_id}",
        results=results,
        keys=_json(tags.get("swept"), list(every)),
        objective=found,
        chosen=chosen,
        sweep_id=sweep_id,
        run_id=parent.info.run_id,
        command=tags.get("command", ""),
        status=parent.info.status,
    )


def _json(text: str | None, default: Any) -> Any:
    try:
        found = json.loads(text or "null")
    except ValueError:
        return default
    return found if isinstance(found, list) else default


def from_runs(runs: Sequence[Found], *, title: str) -> Comparison:
    """Compares any runs by the settings in which they differ.

    Runs with the same settings and seed are one result, however often it was computed: counted
    twice they would narrow its spread. The last finished one is taken.

    Args:
        runs: Each run, and all its settings by their keys, in the order of their time.
        title: What they are, in a few words.
    """
    asked = len(runs)
    runs = _each_once(runs)
    keys, together = differing([settings for _, settings in runs])
    chosen = with_all([settings for _, settings in runs], keys)
    results = [
        replace(run, settings=settings) for (run, _), settings in zip(runs, chosen, strict=True)
    ]
    found, _ = objectives((), results)
    return Comparison(
        title=title,
        results=results,
        keys=keys,
        objective=found,
        chosen=False,
        together=together,
        repeated=asked - len(runs),
    )


def _each_once(runs: Sequence[Found]) -> list[Found]:
    """Leaves of runs with equal settings the last finished one, or else the last."""
    kept: dict[tuple[tuple[str, str], ...], Found] = {}
    for run, settings in runs:
        same = tuple(sorted((key, show(value)) for key, value in settings.items()))
        if same not in kept or run.status == FINISHED or kept[same][0].status != FINISHED:
            kept[same] = (run, settings)
    return list(kept.values())


def state(comparison: Comparison) -> str:
    """Returns how many runs there are of each status, in words.

    >>> state(Comparison(title="", keys=[], results=[Result("", "", "FINISHED", {})]))
    '1 run: 1 finished'
    """
    counts: dict[str, int] = {}
    for result in sorted(comparison.results, key=lambda result: result.status != FINISHED):
        counts[result.status.lower()] = counts.get(result.status.lower(), 0) + 1
    total = len(comparison.results)
    parts = ", ".join(f"{count} {status}" for status, count in counts.items())
    noun = "job" if comparison.sweep_id else "run"
    left = f"; {comparison.repeated} more with equal settings" if comparison.repeated else ""
    return f"{total} {noun}{'' if total == 1 else 's'}: {parts or 'none'}{left}"


def where(result: Result) -> str:
    """Returns a run's settings of interest as one would type them."""
    return " ".join(f"{key}={show(value)}" for key, value in result.settings.items())
