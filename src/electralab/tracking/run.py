"""A run that is recorded from its first to its last line."""

from __future__ import annotations

import json
import logging
import math
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from electralab.errors import Interrupted, UserError
from electralab.tracking import delivery
from electralab.tracking.fluent import activated
from electralab.tracking.journal import BATCH, POINTS, Entry, Journal
from electralab.tracking.params import MAX_PARAM, MAX_TAG, entity_key, flatten, shorten
from electralab.tracking.redaction import mask_text
from electralab.tracking.store import Store, asked, reason
from electralab.tracking.writer import Writer

logger = logging.getLogger(__name__)

PATIENCE = 20.0  # seconds at the end of a run in which the store may take what it lacks
STOPPED_PATIENCE = 5.0  # the same where somebody waits for the run to stop


class TrackedRun:
    """A run in a store, or the same object without one.

    Nothing here waits for the store or fails for it, but for the end, which waits for a bounded
    time: a training does not suffer from its record. What the store does not take stays in the
    journal in the run's folder.

    Args:
        store: Where the run is recorded.
        run_id: The run's id.

    Attributes:
        undelivered: What the store lacks at the end, in words; empty if it has everything.
    """

    def __init__(self, *, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.undelivered = ""
        self._client = None if store.mode == "off" else store.client()
        self._logged: dict[tuple[str, int], float] = {}
        self._history: set[tuple[str, int]] = set()  # points from before a resume
        self._moment = 0  # of the last point, in ms since the epoch
        self._not_finite: set[str] = set()
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._folder: Path | None = None
        self._journal = Journal()
        self._writer = Writer(self._journal, self._send)
        self._failure: str | None = None
        self._ended: str | None = None

    def keep_in(self, folder: Path) -> None:
        """Keeps what the run says in its folder, and begins to send it.

        Args:
            folder: The run's. What an earlier process has left there is sent first.
        """
        if self._client is None:
            return
        self._folder = folder = folder.absolute()
        self._journal.keep_in(folder, run_id=self.run_id, store=self.store.described_in(folder))
        for entry in self._journal.entries():
            for name, value, _, step in entry.get(POINTS, ()):
                self._history.add((name, step))
                self._logged[name, step] = value
        self._writer.start()

    def log_metrics(
        self, metrics: Mapping[str, float], step: int, *, replayed: bool = False
    ) -> None:
        """Records finite numbers at a step.

        A point that was recorded with the same value is dropped.

        Args:
            metrics: Names and numbers.
            step: Optimiser steps so far.
            replayed: True while a resumed run walks again over steps that are recorded already;
                what is recorded at such a step stays.
        """
        # Never twice the same moment: the UI shows the latest point of a step.
        self._moment = max(int(time.time() * 1000), self._moment + 1)
        points = []
        for name, number in metrics.items():
            key, value = (entity_key(name), int(step)), float(number)
            if not math.isfinite(value):
                if name not in self._not_finite:
                    self._not_finite.add(name)
                    logger.warning("`%s` is %s at step %d.", name, value, step)
                    self.set_tags({f"not_finite.{key[0]}": f"{value} at step {step}"})
            elif self._logged.get(key) != value and not (replayed and key in self._history):
                self._logged[key] = value
                points.append((key[0], value, self._moment, int(step)))
        for first in range(0, len(points), BATCH):
            self._put({POINTS: points[first : first + BATCH]})

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Records a file, or a folder with all that is in it, as it is when it is sent.

        Args:
            path: The file or folder.
            folder: Artifact folder to put it in; the top when None.
        """
        path = Path(path).absolute()
        if self._folder and path.is_relative_to(self._folder):  # which may be moved
            path = path.relative_to(self._folder)
        self._put({delivery.FILE: str(path), delivery.TO: folder})

    def log_text(self, text: str, name: str) -> None:
        """Records a text as the artifact `name`, such as ``provenance/git.diff``."""
        self._put({delivery.TEXT: text, delivery.TO: name})

    def log_dict(self, content: Any, name: str) -> None:
        """Records plain data as JSON in the artifact `name`."""
        self.log_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", name)

    def log_table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Adds rows to a table that the MLflow UI shows; rows that are in it already are dropped.

        Args:
            rows: One mapping from column to value a row.
            name: Artifact name ending in ``.json``.
        """
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = self._read_table(name)
        known = {json.dumps(row, sort_keys=True) for row in table}
        table += [dict(row) for row in rows if json.dumps(row, sort_keys=True) not in known]
        columns = list(dict.fromkeys(column for row in table for column in row))
        data = [[row.get(column) for column in columns] for row in table]
        self.log_text(json.dumps({"columns": columns, "data": data}, ensure_ascii=False), name)
        listed = [{"path": path, "type": "table"} for path in self._tables]
        self.set_tags({"mlflow.loggedArtifacts": json.dumps(listed)})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Records tags; credentials in them are hidden, and one too long becomes a file."""
        short, files = shorten(flatten(tags), limit=MAX_TAG, folder="tags")
        self._put_pairs(delivery.TAGS, short)
        for path, text in files.items():
            self.log_text(text, path)

    def fail(self, why: str) -> None:
        """Ends the run as FAILED, with a reason but without an exception.

        Args:
            why: A line, for the tag `failure`.
        """
        self._failure = why

    def end(self, error: BaseException | None = None) -> str:
        """Says how the run ended, and waits for the store, but not for long.

        Args:
            error: What ended it; none: it came to its end.

        Returns:
            What the store lacks, in words; empty if it has everything.
        """
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        status = "KILLED" if stopped else "FAILED" if error or self._failure else "FINISHED"
        if self._client is None or self._ended == status:
            return self.undelivered
        self._ended = status
        if status == "FAILED":
            line = self._failure or f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            self.set_tags({"failure": mask_text(line)})
        if error and not stopped:
            self.log_text(mask_text("".join(traceback.format_exception(error))), "failure.txt")
        self._put({delivery.STATUS: status, delivery.AT: int(time.time() * 1000)})
        # Who is impatient with the store stops no more than the waiting for it.
        with suppress(Interrupted, KeyboardInterrupt):
            self._writer.deliver(STOPPED_PATIENCE if stopped else PATIENCE)
        self.undelivered = self._missing()
        return self.undelivered

    @property
    def is_over(self) -> bool:
        """Whether the run has been ended."""
        return self._ended is not None

    def close(self) -> None:
        """Sends no more."""
        self._writer.close()

    def warn(self) -> None:
        """Says what the store lacks, if anything, and what to type."""
        if self.undelivered:
            how = f"; deliver it with: electralab sync {self._folder}" if self._folder else ""
            logger.warning("The store %s lacks %s%s", self.store, self.undelivered, how)

    def _start(self, *, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        short, files = shorten(flatten(params), limit=MAX_PARAM, folder="params")
        self._put_pairs(delivery.PARAMS, short)
        # They are there since the run was made, but a store can be set back to an older state.
        self.set_tags(tags)
        for path, text in files.items():
            self.log_text(text, path)

    def _resume(self, *, tags: Mapping[str, Any]) -> None:
        known = self._client.get_run(self.run_id).data
        for name in known.metrics:
            for point in self._client.get_metric_history(self.run_id, name):
                self._history.add((name, point.step))
                self._logged[name, point.step] = point.value
        # An earlier end may be among what is still to be delivered.
        self._put({delivery.STATUS: "RUNNING"})
        self._put({delivery.UNTAG: ["failure"]})
        self.set_tags(tags)

    def _read_table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table from before a resume."""
        texts = [entry for entry in self._journal.entries() if delivery.TEXT in entry]
        content = [entry[delivery.TEXT] for entry in texts if entry.get(delivery.TO) == name]
        if not content:
            return []
        table = json.loads(content[-1])
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    def _put(self, entry: Entry) -> None:
        if self._client is not None:
            self._writer.put(entry)

    def _put_pairs(self, kind: str, pairs: Mapping[str, str]) -> None:
        entries = list(pairs.items())
        for first in range(0, len(entries), delivery.A_REQUEST):
            self._put({kind: dict(entries[first : first + delivery.A_REQUEST])})

    def _send(self, entry: Entry) -> None:
        delivery.send(self._client, self.run_id, entry, folder=self._folder)

    def _missing(self) -> str:
        try:
            counts = delivery.count(self._journal.unsent())
        except OSError as error:  # of the folder's disk
            return f"what its folder kept for it ({reason(error)})"
        error = self._writer.failure
        why = reason(error) if error else "it did not answer in time"
        parts = [f"{delivery.in_words(counts)} ({why})"] if counts else []
        if refused := self._writer.refused:
            parts.append(f"{delivery.in_words(refused)} (refused: {self._writer.why_refused})")
        if lost := self._journal.lost:
            parts.append(f"{lost:,} entries for which the disk had no room")
        return "; ".join(parts)


@contextmanager
def tracked_run(
    store: Store,
    *,
    experiment: str,
    run_name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> Iterator[TrackedRun]:
    """Records everything inside the `with` as one run.

    It ends as FINISHED, as FAILED with the reason in the tag `failure` and the trace in the
    artifact ``failure.txt``, or as KILLED after a signal; exceptions go on.

    Args:
        store: From `open_store`.
        experiment: MLflow experiment; made if there is none of that name.
        run_name: Name that the UI shows.
        params: The composed configuration; its flattened form becomes the parameters.
        tags: Tags of the run.
        run_id: A run to go on with. Its parameters stay as they are.

    Raises:
        UserError: If the experiment is deleted, or `run_id` is not in the store.
        RunFailure: If the store cannot be used when the run begins.
    """
    if store.mode == "off":
        yield TrackedRun(store=store, run_id=run_id or uuid.uuid4().hex)
        return
    run = _open(store, experiment=experiment, run_name=run_name, tags=tags or {}, run_id=run_id)
    with activated(store, run.run_id):
        if run_id:
            with asked(store):
                run._resume(tags=tags or {})
        else:
            run._start(params=params, tags=tags or {})
        failure: BaseException | None = None
        try:
            yield run
        except BaseException as error:
            failure = error
            raise
        finally:
            told = run.is_over
            try:
                run.end(failure)
            finally:
                run.close()
            if not told:
                run.warn()


def _open(
    store: Store, *, experiment: str, run_name: str, tags: Mapping[str, Any], run_id: str | None
) -> TrackedRun:
    """Creates the run, or finds the given one."""
    client = store.client()
    with asked(store):
        if run_id is None:
            experiment_id = _experiment(store, name=experiment)
            source = {"mlflow.source.name": "electralab", "mlflow.source.type": "LOCAL"}
            # With it, so that one whose process is killed at once can be told from others.
            named = source | shorten(flatten(tags), limit=MAX_TAG, folder="tags")[0]
            run_id = client.create_run(experiment_id, run_name=run_name, tags=named).info.run_id
            return TrackedRun(store=store, run_id=run_id)
        try:
            known = client.get_run(run_id)
        except Exception as error:
            if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                raise UserError(f"There is no run {run_id} in {store}.") from error
            raise
        if known.info.lifecycle_stage == "deleted":
            raise UserError(f"The run {run_id} is deleted in {store}; restore it there first.")
        return TrackedRun(store=store, run_id=run_id)


def _experiment(store: Store, *, name: str) -> str:
    """The id of the experiment `name`, made if there is none."""
    client = store.client()
    found = client.get_experiment_by_name(name)
    if found is None:
        place = f"{store.artifact_root}/{name}" if store.artifact_root else None
        try:
            return client.create_experiment(name, artifact_location=place)
        except Exception:
            found = client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise UserError(
            f"`name` must not be that of a deleted experiment, but `{name}` is deleted in {store}: "
            "choose another name or restore it there."
        )
    return found.experiment_id
