"""One job of a sweep, in this process or in another one."""

from __future__ import annotations

import gc
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.errors import RunFailure, UserError
from electralab.running import alive
from electralab.running import folder as files
from electralab.running.part import PARENT_TAG, POINT_TAG, SWEEP_TAG, Part, Pruning
from electralab.sweeping import state
from electralab.sweeping.worker import PAUSE, Place, at_work
from electralab.tracking.records import read_id
from electralab.tracking.redaction import mask_text

if TYPE_CHECKING:
    from electralab.config import Chain, Config
    from electralab.sweeping.plan import Point


@dataclass
class SweepJob:
    """The function that Hydra's launcher calls for each point.

    It is sent to other processes and machines by some launchers, so it holds plain values alone.
    What became of a job stands in its folder; what is raised does not reach the others.

    Attributes:
        sweep_id: The sweep's.
        folder: The sweep's.
        parent: Id of the sweep's tracked run.
        fail_fast: Whether a failure keeps others from starting.
        total: Number of jobs to run.
        values: Of the swept keys, for each signature.
        order: Their places among these, by signature.
        place: Where they run; none: one after another in the process of the command.
        pruning: How those that a search may stop early are stopped, by signature.
    """

    sweep_id: str
    folder: str
    parent: str
    fail_fast: bool
    total: int
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    place: Place | None = None
    pruning: dict[str, Pruning] = field(default_factory=dict)

    def __call__(self, composed: Any) -> str:
        """Runs one point; returns how it ended.

        Args:
            composed: The configuration that Hydra composed, without its own node.
        """
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        from electralab.checking.signature import signature
        from electralab.command.words import as_typed
        from electralab.config import validate

        config = validate(OmegaConf.to_container(composed, resolve=True))
        overrides = as_typed(list(HydraConfig.get().overrides.task))
        return self.run(config, overrides, sign=signature(config))

    def run_all(self, points: list[Point]) -> None:
        """Runs points one after another, in this process.

        Args:
            points: Of the sweep.
        """
        for point in points:
            self.run(point.config, point.overrides, sign=point.signature)

    def run(self, config: Config | Chain, overrides: list[str], *, sign: str) -> str:
        """Runs one point, goes on with it, or leaves it as another process finished it.

        Args:
            config: A checked configuration.
            overrides: What was typed, for the record.
            sign: The signature of `config`.

        Returns:
            How it ended, as `state.standing` says it.
        """
        sweep, folder = Path(self.folder), Path(self.folder, sign)
        with at_work(self.place, sweep), state.job_lock(sweep, sign):
            while alive.who_runs(folder) and not state.is_stopped(sweep):  # `electralab resume`
                time.sleep(PAUSE)
            # Another process may have been at it while the lock was waited for.
            found = state.standing(folder)
            if found not in state.DONE and not state.is_stopped(sweep):
                if found != state.NEW and not state.can_go_on(folder):
                    state.put_aside(folder)
                self._execute(config, overrides, sign, folder)
                if state.standing(folder) == state.FAILED and self.fail_fast:
                    state.stop(sweep, running=False)
        _keep_what_is_loaded()
        return state.standing(folder)

    def _execute(
        self, config: Config | Chain, overrides: list[str], sign: str, folder: Path
    ) -> None:
        from electralab.command.jobs import describe
        from electralab.command.points import point_name
        from electralab.config import Chain
        from electralab.tracking.params import flatten

        values = self.values.get(sign, {})
        title = point_name(values) or config.name
        print(f"\n[{self.order.get(sign, 0)}/{self.total}] {title}", file=sys.stderr, flush=True)
        tags = {PARENT_TAG: self.parent, SWEEP_TAG: self.sweep_id}
        tags |= {POINT_TAG: json.dumps(values, ensure_ascii=False)}
        own = flatten(config.model_dump())
        part = Part(
            tags=tags,
            folder=folder,
            title=title,
            # The option of a group is no key of the configuration that it becomes.
            params={key: str(value) for key, value in values.items() if key not in own},
            pruning=self.pruning.get(sign),
        )
        started = time.time()
        try:
            if isinstance(config, Chain):
                from electralab.running.chain import execute
            else:
                from electralab.run import execute

                # Its own folder alone: `resume=auto` would go on with a run outside the sweep.
                resumed = str(folder) if state.can_go_on(folder) else None
                config = config.model_copy(update={"resume": resumed})
            execute(config, overrides, link=lambda: part)
            return
        except UserError as error:
            lines = error.problems
        except Exception as error:
            lines = [describe(error)]
        for line in lines:
            print(line, file=sys.stderr, flush=True)
        said = files.read_json(folder / files.SUMMARY)
        if said.get("status") in state.DONE:  # and yet its record lacks something
            return
        if alive.who_runs(folder):  # since a moment ago; the summary is that process's to write
            return
        folder.mkdir(parents=True, exist_ok=True)
        why = mask_text("; ".join(lines))
        failed = {"status": state.FAILED, "reason": why, "signature": sign}
        if not read_id(folder) and (run_id := _recorded(config, part, failed)):
            failed["run_id"] = run_id
        seconds = {"seconds": round(time.time() - started, 3)}
        files.write_json(folder / files.SUMMARY, said | failed | seconds)


def _recorded(config: Config | Chain, part: Part, failed: dict[str, str]) -> str | None:
    """Records a job that failed before its run began, for a sweep has a run a job.

    Returns:
        The id of the run; none where nothing is recorded.
    """
    from electralab.tracking.params import flatten
    from electralab.tracking.run import tracked_run
    from electralab.tracking.store import open_store

    with suppress(UserError, RunFailure):
        store = open_store(config.tracking, output_dir=Path(config.output_dir).absolute())
        if store.mode == "off":
            return None
        with tracked_run(
            store,
            experiment=config.name,
            run_name=part.title,
            params=flatten(config.model_dump(exclude={"sweep"})) | dict(part.params),
            tags={**part.tags, "signature": failed["signature"]},
        ) as run:
            run.fail(failed["reason"])
        return run.run_id
    return None


@cache
def _keep_what_is_loaded() -> None:
    """Takes what the first job loaded out of the search for garbage, of which each job has some.

    The libraries have a million objects; looking through them took half a second a job.
    """
    gc.collect()
    gc.freeze()
