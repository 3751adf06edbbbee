"""A search: points of a sweep that are chosen by what the earlier ones came to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.checking.search_checks import TRIALS, Search
from electralab.command.space import grid
from electralab.config import Chain
from electralab.errors import UserError
from electralab.running import folder as files
from electralab.running.part import Pruning
from electralab.running.report import say, short
from electralab.sweeping import state
from electralab.sweeping.plan import Point, Sweep, as_point
from electralab.tracking.redaction import mask_text

if TYPE_CHECKING:
    from electralab.command.points import Checked
    from electralab.sweeping.record import SweepRecord
    from electralab.sweeping.study import SearchStudy

DATABASE = "optuna.db"  # in a sweep's folder
SIGNATURE = "signature"  # of the job, an attribute of a trial


class OptunaSearch:
    """Chooses the points of a sweep with Optuna, a batch after another.

    A search that is typed again goes on: the number of trials is the number in all. A trial under
    which a process ended goes on with its job; one whose job failed is tried again.

    Args:
        command: A checked search.
        sweep: Of the command; its points are added as they are chosen.

    Raises:
        UserError: Its database cannot be used, or holds another search.
    """

    def __init__(self, command: Checked, sweep: Sweep) -> None:
        self._searched = command.search
        self._settings: Search = command.search.settings
        self._objective = command.objective
        self._sweep = sweep
        self._points: dict[int, Point] = {}  # by the number of the trial
        self._begun: set[str] = set()  # the signatures of the jobs that this command has run
        is_grid = self._settings.sampler.name == "grid"
        self._grid = grid(command.search.space) if is_grid else []
        self.total = self._settings.n_trials or len(self._grid) or TRIALS
        if is_grid:
            self.total = min(self.total, len(self._grid))

    @cached_property
    def _url(self) -> str:
        return self._settings.storage or f"sqlite:///{self._sweep.folder / DATABASE}"

    @cached_property
    def _name(self) -> str:
        return self._settings.study_name or self._sweep.sweep_id

    @cached_property
    def _study(self) -> SearchStudy:
        from electralab.sweeping.study import SearchStudy

        if not self._settings.storage:
            self._sweep.folder.mkdir(parents=True, exist_ok=True)
        return SearchStudy(
            settings=self._settings,
            space=self._searched.space,
            objective=self._objective,
            url=self._url,
            name=self._name,
        )

    def open(self) -> None:
        """Opens the database, so that it is refused before anything else is made."""
        _ = self._study

    @property
    def at_once(self) -> int:
        """How many jobs are launched together."""
        return self._settings.n_jobs

    def pruning(self, trial: int) -> Pruning | None:
        """Returns how the run of a trial is stopped early; none: it is not."""
        pruner = self._settings.pruner
        if pruner.name == "none" or isinstance(self._sweep.config, Chain):
            return None
        return Pruning(
            storage=self._url,
            study=self._name,
            trial=trial,
            metric=self._objective[0].metric,
            pruner=pruner.model_dump(),
        )

    def batches(self, record: SweepRecord) -> Iterator[dict[int, Point]]:
        """Yields what is to be run next, by trial, and looks afterwards what came of it.

        Args:
            record: Of the sweep.
        """
        waiting = self._begin()
        self._mend(record)
        while not state.is_stopped(self._sweep.folder):
            while len(waiting) < self.at_once and (trial := self._next()) is not None:
                waiting.append(trial)
            batch, waiting = waiting[: self.at_once], waiting[self.at_once :]
            if not batch:
                return
            if jobs := self._to_run(batch, record):
                yield jobs
            for trial in batch:
                self._tell(trial)

    def _begin(self) -> list[int]:
        """Says how the search stands; returns the trials that are to be gone on with."""
        study = self._study
        stopped = study.stopped()
        retried: list[int] = []
        for trial in study.counted:
            sign = trial.user_attrs.get(SIGNATURE)
            # What has no signature is no job: it fails again.
            if trial.state.name != "FAIL" or sign is None:
                continue
            if state.standing(self._sweep.folder / sign) == state.FINISHED:
                continue  # and lacks the objective
            if self._sweep.config.sweep.on_failed == "retry":
                retried.append(study.ask(study.texts(trial.number), retries=trial.number))
            elif (point := self._point(trial.number)) is not None:
                self._sweep.points.append(point)
        sampler = self._settings.sampler.name
        place = short(self._sweep.folder)
        say(f"sweep  {self._sweep.sweep_id}, {self.total} trials by {sampler}, in {place}")
        lines = {
            "done before": len(study.counted) - len(stopped) - len(retried),
            "stopped before: go on": len(stopped),
            "failed before: run again": len(retried),
        }
        for what, number in lines.items():
            if number:
                say(f"       {number} {what}")
        if self._settings.pruner.name != "none" and isinstance(self._sweep.config, Chain):
            say("       a chain is not pruned: each of its trials runs to the end")
        return [*stopped, *retried]

    def _mend(self, record: SweepRecord) -> None:
        """Adds the points that the study knows and a damaged record does not."""
        known = set(record.signatures)
        signs = {
            trial.number: trial.user_attrs.get(SIGNATURE)
            for trial in self._study.counted
            if trial.state.is_finished()
        }
        found = [self._point(trial) for trial, sign in signs.items() if sign and sign not in known]
        record.add([point for point in found if point])

    def _next(self) -> int | None:
        """Begins another trial; none: there are enough."""
        counted = self._study.counted
        if not self._grid:
            return self._study.ask() if len(counted) < self.total else None
        tried = {self._study.texts(trial.number) for trial in counted}
        left = (texts for texts in self._grid[: self.total] if texts not in tried)
        texts = next(left, None)
        return None if texts is None else self._study.ask(texts)

    def _point(self, trial: int) -> Point | None:
        """Composes the point of a finished trial; none: it was another sweep's."""
        try:
            point = as_point(self._searched.at(self._study.texts(trial)))
        except (UserError, ValueError):
            return None
        sign = self._study.trials[trial].user_attrs.get(SIGNATURE)
        return point if point.signature == sign else None

    def _to_run(self, batch: list[int], record: SweepRecord) -> dict[int, Point]:
        """Returns the jobs of a batch that are not done; a point that cannot be run fails."""
        found: dict[int, Point] = {}
        for trial in batch:
            try:
                point = as_point(self._searched.at(self._study.texts(trial)))
            except UserError as error:
                why = mask_text("; ".join(error.problems))
                say("", f"trial {trial} cannot be run: {why}")
                self._study.fail(trial, why)
                continue
            self._study.note(trial, SIGNATURE, point.signature)
            found[trial] = point
        record.add([*found.values()])
        self._points |= found
        return {trial: point for trial, point in found.items() if self._is_to_run(point, record)}

    def _is_to_run(self, point: Point, record: SweepRecord) -> bool:
        """Says whether a job is to be run; each is at most once by a command."""
        if point.signature in self._begun:
            return False
        self._begun.add(point.signature)
        self._sweep.points.append(point)
        folder = self._sweep.folder / point.signature
        wanted, why = state.decide(folder, point.config, self._sweep.config.sweep)
        if state.is_running(self._sweep.folder, point.signature):
            return True  # by another process, which is waited for
        if wanted and why not in state.AS_IT_IS:
            record.forget(point)
        return wanted

    def _tell(self, trial: int) -> None:
        """Gives the study what became of a trial; one that was not started stays open."""
        if trial not in self._points:
            return
        folder = self._sweep.folder / self._points[trial].signature
        found, why = state.standing(folder), state.reason(folder)
        if found == state.NEW and state.is_stopped(self._sweep.folder):
            return
        if found == state.PRUNED:
            self._study.prune(trial, why)
        elif found != state.FINISHED:
            self._study.fail(trial, why or "its process was killed")
        elif isinstance(values := self._values(folder), str):
            say(f"trial {trial} has no value: {values}")
            self._study.fail(trial, values)
        else:
            self._study.tell(trial, values)

    def _values(self, folder: Path) -> list[float] | str:
        """Returns the values of the objective, or why there is none."""
        metrics = files.read_json(folder / files.SUMMARY).get("metrics", {})
        found = [metrics.get(one.metric) for one in self._objective]
        for one, value in zip(self._objective, found, strict=True):
            if not isinstance(value, int | float) or not math.isfinite(value):
                return f"{one.metric} is not a finite number"
        return found
