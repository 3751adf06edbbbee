"""A run that is recorded from its first to its last line."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from electralab.errors import Interrupted, RunFailure, UserError
from electralab.tracking.fluent import activated
from electralab.tracking.params import MAX_PARAM, MAX_TAG, entity_key, flatten, shorten
from electralab.tracking.redaction import mask_text
from electralab.tracking.store import Store, asked, reason
from electralab.tracking.writer import MetricWriter

logger = logging.getLogger(__name__)

PARAMS_PER_BATCH = 100


class TrackedRun:
    """A run in a store, or the same object without one.

    What the store does not take is counted, never raised: a training does not die of its record.

    Args:
        store: Where the run is recorded.
        run_id: The run's id.
    """

    def __init__(self, *, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.missing: list[str] = []  # what the store did not take, a line each
        self._client = None if store.mode == "off" else store.client()
        self._logged: dict[tuple[str, int], float] = {}
        self._history: set[tuple[str, int]] = set()  # points from before a resume
        self._moment = 0  # of the last point, in ms since the epoch
        self._not_finite: set[str] = set()
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._writer = MetricWriter(self._send)
        self._failure: str | None = None

    def log_metrics(
        self, metrics: Mapping[str, float], step: int, *, replayed: bool = False
    ) -> None:
        """Records finite numbers at a step; returns at once, the store hears of them later.

        A point that was recorded with the same value is dropped.

        Args:
            metrics: Names and numbers.
            step: Optimiser steps so far.
            replayed: True while a resumed run walks again over steps that are in the store
                already; what is recorded at such a step stays.
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
        if points and self._client:
            self._writer.put(points)

    def log_artifact(self, path: str | Path, folder: str | None = None) -> None:
        """Records a file, or a folder with all that is in it.

        Args:
            path: The file or folder.
            folder: Artifact folder to put it in; the top when None.
        """
        if self._client is None:
            return
        send = self._client.log_artifacts if Path(path).is_dir() else self._client.log_artifact
        if Path(path).is_dir():
            folder = f"{folder}/{Path(path).name}" if folder else Path(path).name
        self._try(f"artifact {Path(path).name}", send, self.run_id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Records a text as the artifact `name`, such as ``provenance/git.diff``."""
        if self._client is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, Path(name).name)
            file.write_text(text, encoding="utf-8")
            parent = Path(name).parent.as_posix()
            self.log_artifact(file, None if parent == "." else parent)

    def log_dict(self, content: Any, name: str) -> None:
        """Records plain data as JSON in the artifact `name`."""
        self.log_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", name)

    def log_table(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        """Adds rows to a table that the MLflow UI shows; rows that are in it already are dropped.

        Args:
            rows: One mapping from column to value a row.
            name: Artifact name ending in ``.json``.
        """
        if self._client is None:
            return
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
        if self._client is None or not tags:
            return
        short, files = shorten(flatten(tags), limit=MAX_TAG, folder="tags")
        self._try("tags", self._log_batch, tags=short)
        for path, text in files.items():
            self.log_text(text, path)

    def flush(self) -> None:
        """Waits until the store has all metrics, or has refused them once."""
        if left := self._writer.flush():
            self._note(f"{left} metric points", self._writer.failure)

    def fail(self, why: str) -> None:
        """Ends the run as FAILED, with a reason but without an exception.

        Args:
            why: A line, for the tag `failure`.
        """
        self._failure = why

    def _start(self, *, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        short, files = shorten(flatten(params), limit=MAX_PARAM, folder="params")
        entries = list(short.items())
        for first in range(0, len(entries), PARAMS_PER_BATCH):
            self._log_batch(params=dict(entries[first : first + PARAMS_PER_BATCH]))
        # Short tags are there since the run was made.
        files |= shorten(flatten(tags), limit=MAX_TAG, folder="tags")[1]
        for path, text in files.items():
            self.log_text(text, path)

    def _resume(self, *, tags: Mapping[str, Any]) -> None:
        known = self._client.get_run(self.run_id).data
        for name in known.metrics:
            for point in self._client.get_metric_history(self.run_id, name):
                self._history.add((name, point.step))
                self._logged[name, point.step] = point.value
        if "failure" in known.tags:
            self._client.delete_tag(self.run_id, "failure")
        self.set_tags(tags)

    def _end(self, end: Callable[[str], None], status: str, error: BaseException | None) -> None:
        if left := self._writer.close():
            self._note(f"{left} metric points", self._writer.failure)
        if status == "FINISHED" and self._failure:
            status = "FAILED"
            self.set_tags({"failure": self._failure})
        elif status == "FAILED":
            line = str(error).splitlines()[0] if str(error) else ""
            self.set_tags({"failure": mask_text(f"{type(error).__name__}: {line}")})
            self.log_text(mask_text("".join(traceback.format_exception(error))), "failure.txt")
        self._try("its status", end, status)

    def _read_table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table from before a resume."""
        if not self._history:
            return []
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = self._client.download_artifacts(self.run_id, name, folder)
                table = json.loads(Path(path).read_text(encoding="utf-8"))
        except Exception:  # there was none yet
            return []
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    def _send(self, points: list[tuple[str, float, int, int]]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(key, value, moment, step) for key, value, moment, step in points]
        self._client.log_batch(self.run_id, metrics=metrics)

    def _log_batch(self, *, params: Mapping[str, str] | None = None, tags=None) -> None:
        from mlflow.entities import Param, RunTag

        self._client.log_batch(
            self.run_id,
            params=[Param(key, text) for key, text in (params or {}).items()],
            tags=[RunTag(key, text) for key, text in (tags or {}).items()],
        )

    def _try(self, what: str, send: Any, *args: Any, **kwargs: Any) -> None:
        try:
            send(*args, **kwargs)
        except Exception as error:
            self._note(what, error)

    def _note(self, what: str, error: Exception | None) -> None:
        why = reason(error) if error else "it did not answer in time"
        self.missing.append(f"{what} ({why})")
        logger.warning("The tracking store did not take %s: %s.", what, why)


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
        RunFailure: If the store cannot be used, or did not take everything in the end.
    """
    if store.mode == "off":
        yield TrackedRun(store=store, run_id=run_id or uuid.uuid4().hex)
        return
    run = _open(store, experiment=experiment, run_name=run_name, tags=tags or {}, run_id=run_id)
    status, failure = "FINISHED", None
    with activated(store, run.run_id) as end:
        try:
            with asked(store):
                if run_id:
                    run._resume(tags=tags or {})
                else:
                    run._start(params=params, tags=tags or {})
            yield run
        except BaseException as error:
            stopped = isinstance(error, Interrupted | KeyboardInterrupt)
            status, failure = ("KILLED", None) if stopped else ("FAILED", error)
            raise
        finally:
            run._end(end, status, failure)
    if run.missing:
        rest = f" and {len(run.missing) - 3} more" if len(run.missing) > 3 else ""
        raise RunFailure(
            f"The run is complete, but the store {store} lacks {'; '.join(run.missing[:3])}{rest}."
        )


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
