"""A sweep's own folder and tracked run, of which its jobs are the children."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.config import Chain
from electralab.errors import Interrupted, UserError
from electralab.running import alive
from electralab.running import folder as files
from electralab.running.part import PARENT_TAG, ROLE_TAG, SWEEP_TAG
from electralab.running.report import short
from electralab.sweeping import state
from electralab.sweeping.previews import PREVIEWS, last_previews
from electralab.tracking import provenance, views
from electralab.tracking.records import read_id
from electralab.tracking.run import TrackedRun, tracked_run
from electralab.tracking.store import Store, open_store

if TYPE_CHECKING:
    from electralab.sweeping.plan import Point, Sweep

_OPEN = ("RUNNING", "SCHEDULED")


class SweepRecord:
    """The record of a sweep while it runs; use as a context manager.

    A sweep that is typed again goes on in the folder and the tracked run that it has.

    Args:
        sweep: What the command asks for.
        objective: Metric and direction of what tells which point is best.
    """

    def __init__(self, sweep: Sweep, *, objective: list[dict[str, str]]) -> None:
        self.sweep = sweep
        self.folder = sweep.folder
        self.store: Store = Store("off")
        self._objective = objective
        self._known = files.read_json(sweep.folder / files.SWEEP)
        self._points = _joined(self._known.get("points"), sweep.points)
        self._run: TrackedRun | None = None
        self._started = time.time()
        self._stack = ExitStack()

    @property
    def run_id(self) -> str:
        """Id of the sweep's tracked run."""
        return self._run.run_id

    @property
    def signatures(self) -> list[str]:
        """Of all points of the sweep, those of earlier commands included."""
        return [point["signature"] for point in self._points]

    def __enter__(self) -> SweepRecord:
        self._stack.__enter__()
        try:
            self._open()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is not None:
                stopped = isinstance(error, Interrupted | KeyboardInterrupt)
                with suppress(OSError):  # of a disk that is full or gone, which may be the reason
                    self._write("KILLED" if stopped else "FAILED")
        finally:
            self._stack.__exit__(kind, error, trace)

    def add(self, points: list[Point]) -> None:
        """Adds the points that a search has chosen."""
        new = list({point.signature: point for point in points}.values())
        if new := [point for point in new if point.signature not in self.signatures]:
            self._points = _joined(self._points, new)
            self._write("RUNNING")

    def forget(self, point: Point) -> None:
        """Puts aside what a job left, in its folder and in the store, for it to start anew."""
        folder = self.folder / point.signature
        run_id = read_id(folder)
        if run_id and self.store.mode != "off":
            self._quietly(self.store.client().delete_run, run_id)
        if folder.exists():
            state.put_aside(folder)

    def finish(self) -> str:
        """Says how the sweep ended; returns its status."""
        found = {sign: state.standing(self.folder / sign) for sign in self.signatures}
        bad = [sign for sign, status in found.items() if status not in state.DONE]
        done = len(found) - len(bad)
        status = "FAILED" if bad else "FINISHED"
        self._write(status)
        self._run.set_tags({"state": f"{done} of {len(found)} jobs finished"})
        self._run.log_artifact(self.folder / files.SWEEP)
        self._quietly(self._log_previews)
        if bad:
            names = {point["signature"]: point["values"] for point in self._points}
            told = [
                f"{json.dumps(names[sign])}: {state.reason(self.folder / sign)}" for sign in bad
            ]
            self._run.fail(f"{len(bad)} of {len(found)} jobs did not finish: {'; '.join(told)}")
        return status

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Gives a file to the sweep's tracked run.

        Args:
            path: The file.
            folder: Among the artifacts; none: the top.
        """
        self._run.log_artifact(path, folder)

    def save_view(self, metrics: Sequence[str]) -> None:
        """Gives the MLflow UI a view of the sweep: its runs, with its swept keys as columns.

        Args:
            metrics: Columns beside these.
        """
        if self.store.mode != "off":
            self._quietly(self._save_view, metrics)

    def _save_view(self, metrics: Sequence[str]) -> None:
        about = f"sweep {self.sweep.sweep_id}"
        query = f"tags.{SWEEP_TAG} = '{self.sweep.sweep_id}'"
        columns = {"params": self.sweep.swept, "metrics": metrics}
        view = {"view_id": self.sweep.sweep_id, "name": about, "query": query, **columns}
        views.save_view(self.store.client(), self._experiment(), **view)

    def _log_previews(self) -> None:
        if self.store.mode != "off":
            points = {point["signature"]: point["values"] for point in self._points}
            of_sweep = {"sweep_id": self.sweep.sweep_id, "points": points}
            rows = last_previews(self.store.client(), self._experiment(), **of_sweep)
            if rows:
                self._run.log_table(rows, PREVIEWS)

    def _experiment(self) -> str:
        found = self.store.client().get_experiment_by_name(self.sweep.config.name)
        return found.experiment_id

    def _open(self) -> None:
        config = self.sweep.config
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        (self.folder / state.STOP).unlink(missing_ok=True)
        self.store = open_store(config.tracking, output_dir=Path(config.output_dir).absolute())
        command = shlex.join(["electralab", *self.sweep.words])
        space = self.sweep.space or {key: self._space(key) for key in self.sweep.swept}
        tags = {
            SWEEP_TAG: self.sweep.sweep_id,
            ROLE_TAG: "parent",
            "command": command,
            "swept": json.dumps(self.sweep.swept),
            "space": json.dumps(space, ensure_ascii=False),
            "objective": json.dumps(self._objective),
            "folder": str(self.folder),
        }
        self._run = self._stack.enter_context(
            tracked_run(
                self.store,
                experiment=config.name,
                run_name=": ".join(
                    filter(None, [f"sweep {self.sweep.sweep_id}", ", ".join(self.sweep.swept)])
                ),
                params={},
                tags=tags,
                run_id=self._earlier(),
            )
        )
        self._run.keep_in(self.folder)
        provenance.record(self._run, provenance.provenance())
        self._write("RUNNING")
        self.save_view([objective["metric"] for objective in self._objective])
        self.close_what_was_killed()

    def _lock(self) -> None:
        from filelock import FileLock, Timeout

        try:
            self._stack.enter_context(FileLock(self.folder / ".lock", timeout=0))
        except Timeout:
            raise UserError(
                f"The sweep {self.sweep.sweep_id} ({short(self.folder)}) must not run twice at "
                "once, but another process runs it; wait for it or stop it."
            ) from None

    def _space(self, key: str) -> list[Any]:
        values = [point["values"].get(key) for point in self._points]
        return [value for index, value in enumerate(values) if value not in values[:index]]

    def _earlier(self) -> str | None:
        """Returns the id of the sweep's tracked run, if the store has it."""
        run_id = self._known.get("run_id")
        if not run_id or self.store.mode == "off":
            return run_id
        try:
            known = self.store.client().get_run(run_id)
        except Exception:  # recorded elsewhere: the sweep begins a record of its own
            return None
        return run_id if known.info.lifecycle_stage != "deleted" else None

    def close_what_was_killed(self) -> None:
        """Ends the runs of jobs that were killed, which nobody else is going to end."""
        if self.store.mode != "off":
            self._quietly(self._close_what_was_killed)

    def _close_what_was_killed(self) -> None:
        client, experiment = self.store.client(), self._experiment()
        running = {sign for sign in self.signatures if state.is_running(self.folder, sign)}
        mine = f"tags.`{SWEEP_TAG}` = '{self.sweep.sweep_id}'"
        for run in client.search_runs([experiment], mine, max_results=5000):
            tags, run_id = run.data.tags, run.info.run_id
            sign = tags.get("signature", "")
            if run_id == self.run_id or sign in running or run.info.status == "FINISHED":
                continue
            folder = self.folder / sign
            known = read_id(folder)
            if known == run_id and state.standing(folder) in state.DONE:
                continue  # its end is still to be delivered
            if run.info.status in _OPEN:
                client.set_terminated(run_id, "KILLED")
            if known != run_id:  # killed before it had a folder, or begun anew since
                client.delete_run(run_id)
            elif isinstance(self.sweep.config, Chain):
                self._close_stages(client, experiment, run_id)

    def _close_stages(self, client: Any, experiment: str, chain: str) -> None:
        """Ends the runs of a chain that was killed."""
        mine = f"tags.`{PARENT_TAG}` = '{chain}'"
        found = client.search_runs([experiment], mine, max_results=5000)
        if still := {run.info.run_id for run in found if run.info.status in _OPEN}:
            left = {
                read_id(folder)
                for folder in self.folder.parent.iterdir()
                if state.standing(folder) in state.DONE or alive.who_runs(folder)
            }
            for run_id in still - left:
                client.set_terminated(run_id, "KILLED")

    def _write(self, status: str) -> None:
        before = self._known.get("seconds", 0)
        content = {
            "sweep_id": self.sweep.sweep_id,
            "run_id": self._run.run_id if self._run else self._known.get("run_id"),
            "name": self.sweep.config.name,
            "task": getattr(getattr(self.sweep.config, "task", None), "name", "chain"),
            "status": status,
            "command": shlex.join(["electralab", *self.sweep.words]),
            "objective": self._objective,
            "swept": self.sweep.swept,
            "points": self._points,
            "seconds": round(before + time.time() - self._started, 3),
        }
        files.write_json(self.folder / files.SWEEP, content)

    @staticmethod
    def _quietly(send: Any, *args: Any, **kwargs: Any) -> None:
        try:
            send(*args, **kwargs)
        except Exception:  # gone already, or recorded elsewhere
            return


def _joined(known: Any, points: list[Point]) -> list[dict[str, Any]]:
    """Returns the points of earlier commands and of this one, each set of values once."""
    asked = [{"signature": point.signature, "values": point.values} for point in points]
    values = [point["values"] for point in asked]
    earlier = known if isinstance(known, list) else []
    return [point for point in earlier if point["values"] not in values] + asked
