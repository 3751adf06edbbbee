"""Giving a store what a run's folder has and the store lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError
from electralab.tracking import delivery
from electralab.tracking.journal import (
    BATCH,
    NAME,
    POINTS,
    RUN_ID,
    SENT,
    STORE,
    Entry,
    Journal,
    iter_placed,
)
from electralab.tracking.store import Store, asked, reason

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


@dataclass
class Said:
    """What a journal says of a run, the last word on each matter.

    Attributes:
        run_id: The run's id.
        store: Where it was recorded.
        points: By name, step and moment.
        params: By name.
        tags: By name; none: taken back.
        artifacts: Entries by the path among the artifacts.
        status: The entry of its end; none: it has none.
        recent: What the store is not known to have: tags and artifacts by name, others by kind.
        end: Where the journal ended.
    """

    run_id: str = ""
    store: dict[str, Any] = field(default_factory=dict)
    points: dict[tuple[str, int, int], list[Any]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str | None] = field(default_factory=dict)
    artifacts: dict[str, Entry] = field(default_factory=dict)
    status: Entry | None = None
    recent: set[str] = field(default_factory=set)
    end: int = 0


def read(folder: Path) -> Said:
    """Reads the journal of a run.

    Args:
        folder: Of the run; whoever wrote what is in it.

    Raises:
        UserError: There is no journal, or it is none of a run.
    """
    found, sent = Said(), 0
    placed = list(iter_placed(folder / NAME))
    for entry, end in placed:
        sent = entry.get(SENT, sent)
        found.end = end
    for entry, end in placed:
        _add(found, entry, is_recent=end > sent)
    if not found.run_id:
        raise UserError(
            f"RUN must have been tracked, but {folder} has no {NAME} that says what its store "
            "should have."
        )
    return found


def deliver(said: Said, store: Store, *, folder: Path, refused: dict[str, str]) -> dict[str, int]:
    """Gives a store what it lacks of a run.

    Args:
        said: From `read`.
        store: That of the run.
        folder: The run's.
        refused: Is filled with what the store refuses, in words, and why.

    Returns:
        How much of each kind it lacked and has now.

    Raises:
        UserError: The store does not have the run.
        RunFailure: The store cannot be used.
    """
    with asked(store):
        client = store.client()
        run = _known(client, said.run_id, store)
        counts: dict[str, int] = {}
        for entry in _lacking(said, client, run, folder):
            try:
                delivery.send(client, said.run_id, entry, folder=folder)
            except Exception as error:
                if not delivery.is_refusal(error):
                    raise
                refused[delivery.in_words(delivery.count([entry]))] = reason(error)
                continue
            for name, number in delivery.count([entry]).items():
                counts[name] = counts.get(name, 0) + number
    if not refused and said.recent:
        journal = Journal()
        journal.keep_in(folder, run_id=said.run_id, store=said.store)
        journal.add({SENT: said.end})
        journal.close()
    return counts


def _add(found: Said, entry: Entry, *, is_recent: bool) -> None:
    if RUN_ID in entry:
        found.run_id, found.store = str(entry[RUN_ID]), dict(entry[STORE])
    recent = [kind for kind in (POINTS, delivery.PARAMS, delivery.STATUS) if kind in entry]
    for name, value, moment, step in entry.get(POINTS, ()):
        found.points[str(name), int(step), int(moment)] = [name, float(value), moment, step]
    found.params |= entry.get(delivery.PARAMS, {})
    tags = entry.get(delivery.TAGS, {}) | dict.fromkeys(entry.get(delivery.UNTAG, ()))
    found.tags |= tags
    recent += tags
    if delivery.TEXT in entry or delivery.FILE in entry:
        path = _artifact_path(entry)
        found.artifacts[path] = entry
        recent.append(path)
    if delivery.STATUS in entry:
        found.status = entry
    if is_recent:
        found.recent.update(recent)


def _artifact_path(entry: Entry) -> str:
    """Returns where an artifact lies among the others."""
    if delivery.TEXT in entry:
        return str(entry[delivery.TO])
    return PurePosixPath(entry.get(delivery.TO) or "", Path(entry[delivery.FILE]).name).as_posix()


def _known(client: MlflowClient, run_id: str, store: Store) -> Run:
    try:
        run = client.get_run(run_id)
    except Exception as error:
        if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
            raise UserError(
                f"There is no run {run_id} in {store}: it was recorded elsewhere, or the store has "
                "lost it; give `tracking.…=…` of its store, or bring the store back."
            ) from error
        raise
    if run.info.lifecycle_stage == "deleted":
        raise UserError(f"The run {run_id} is deleted in {store}; restore it there first.")
    return run


def _lacking(said: Said, client: MlflowClient, run: Run, folder: Path) -> Iterator[Entry]:
    """Returns what is to be sent, in the order in which it makes sense to a reader."""
    params = {key: text for key, text in said.params.items() if key not in run.data.params}
    yield from _pairs(delivery.PARAMS, params)
    yield from _points(said, client, run)
    tags = {key: text for key, text in said.tags.items() if text is not None}
    known = run.data.tags
    # A tag that the store had may have been changed by hand since.
    newer = {
        key: text
        for key, text in tags.items()
        if key not in known or (key in said.recent and known[key] != text)
    }
    yield from _pairs(delivery.TAGS, newer)
    if gone := [key for key, text in said.tags.items() if text is None and key in known]:
        yield {delivery.UNTAG: gone}
    yield from _artifacts(said, client, folder)
    status = said.status
    if status and status[delivery.STATUS] not in ("RUNNING", run.info.status):
        yield status


def _points(said: Said, client: MlflowClient, run: Run) -> Iterator[Entry]:
    names = {name for name, _, _ in said.points}
    known = {
        (name, point.step, point.timestamp)
        for name in names & set(run.data.metrics)
        for point in client.get_metric_history(run.info.run_id, name)
    }
    points = [point for key, point in said.points.items() if key not in known]
    for first in range(0, len(points), BATCH):
        yield {POINTS: points[first : first + BATCH]}


def _pairs(kind: str, pairs: dict[str, str]) -> Iterator[Entry]:
    entries = list(pairs.items())
    for first in range(0, len(entries), delivery.A_REQUEST):
        yield {kind: dict(entries[first : first + delivery.A_REQUEST])}


def _artifacts(said: Said, client: MlflowClient, folder: Path) -> Iterator[Entry]:
    known = _sizes(client, said.run_id) if said.artifacts else {}
    for path, entry in said.artifacts.items():
        if delivery.TEXT in entry:
            size = len(str(entry[delivery.TEXT]).encode())
        else:
            source = Path(folder, entry[delivery.FILE])
            # A record from elsewhere could name any file of this machine.
            if not source.resolve().is_relative_to(folder.resolve()) or source.is_dir():
                continue
            size = source.stat().st_size if source.is_file() else None
        if size is None and path in known:  # it is gone here, and there is nothing to give
            continue
        if path in said.recent or known.get(path) != size:
            yield entry


def _sizes(client: MlflowClient, run_id: str, under: str | None = None) -> dict[str, int]:
    """Returns the sizes of a run's artifacts by their paths."""
    found: dict[str, int] = {}
    for one in client.list_artifacts(run_id, under):
        if one.is_dir:
            found |= _sizes(client, run_id, one.path)
        else:
            found[one.path] = one.file_size
    return found
