"""From a planned sweep to its runs: what is left to do goes to Hydra's launcher."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from electralab.command.points import words_of
from electralab.errors import Interrupted, one_line
from electralab.running.report import say, short
from electralab.sweeping import parallel, state
from electralab.sweeping.conclusion import conclude
from electralab.sweeping.job import SweepJob
from electralab.sweeping.plan import Point, Sweep, plan
from electralab.sweeping.record import SweepRecord
from electralab.sweeping.search import OptunaSearch

if TYPE_CHECKING:
    from electralab.command.points import Checked

Launch = Callable[[list[Point]], None]
TRIES = 3  # of a job under which a process died, be it for another job's sake


def run(command: Checked, flags: argparse.Namespace) -> int:
    """Runs a sweep, or what is left of it.

    Args:
        command: A checked sweep.
        flags: Those of the command line.

    Returns:
        The exit status: 0 if all points of the command are done, else 1.

    Raises:
        UserError: Another process runs the sweep, or its store cannot be used.
        Interrupted: Stopped by a signal.
    """
    from electralab.training.determinism import quiet_libraries

    quiet_libraries()
    sweep = plan(command, words_of(flags))
    objective = [asdict(one) for one in command.objective]
    search = OptunaSearch(command, sweep) if command.search else None
    try:
        if search:
            search.open()
        with SweepRecord(sweep, objective=objective) as record:
            if search:
                _search(search, command, flags, sweep=sweep, record=record)
            elif todo := _left_to_do(sweep, record):
                _run(todo, command, flags, sweep=sweep, record=record)
            return conclude(sweep, record)
    except (Interrupted, KeyboardInterrupt) as error:
        error.run_folder = None  # of one job, while the sweep has others
        error.is_told = True
        say("stopped; the same command goes on with the sweep")
        raise


def _run(
    todo: list[Point],
    command: Checked,
    flags: argparse.Namespace,
    *,
    sweep: Sweep,
    record: SweepRecord,
) -> None:
    job = _job(sweep, record, total=len(todo))
    job.values = {point.signature: point.values for point in todo}
    job.order = {point.signature: number for number, point in enumerate(todo, 1)}
    size = min(command.sweeper.get("max_batch_size") or len(todo), len(todo))
    launch = launcher(command, flags, sweep=sweep, job=job, at_once=size)
    for first in range(0, len(todo), size):
        _launch(todo[first : first + size], launch, sweep=sweep, record=record)


def _search(
    search: OptunaSearch,
    command: Checked,
    flags: argparse.Namespace,
    *,
    sweep: Sweep,
    record: SweepRecord,
) -> None:
    job = _job(sweep, record, total=search.total)
    launch = launcher(command, flags, sweep=sweep, job=job, at_once=search.at_once)
    for batch in search.batches(record):
        for trial, point in batch.items():
            job.values[point.signature] = point.values
            job.order[point.signature] = trial + 1
            if (pruning := search.pruning(trial)) is not None:
                job.pruning[point.signature] = pruning
        _launch([*batch.values()], launch, sweep=sweep, record=record)


def launcher(
    command: Checked, flags: argparse.Namespace, *, sweep: Sweep, job: SweepJob, at_once: int
) -> Launch:
    """Returns what runs points by the launcher that `hydra/launcher` chose.

    Args:
        command: The checked sweep.
        flags: Those of the command line.
        sweep: The sweep.
        job: Runs a point.
        at_once: How many are launched together at most.
    """
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.core.utils import configure_log
    from hydra.types import HydraContext, RunMode
    from omegaconf import open_dict

    from electralab.command.compose import CONFIG_NAME
    from electralab.command.words import opened

    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("electralab", command.path)
    typed = [word for word in flags.overrides if not word.lstrip("+").startswith("hydra.mode=")]
    config = hydra.compose_config(
        config_name=flags.config_name or CONFIG_NAME,
        overrides=[*opened(typed), "hydra.mode=MULTIRUN"],
        run_mode=RunMode.MULTIRUN,
    )
    with open_dict(config):
        config.hydra.sweep.dir = str(sweep.folder)
        job.place = parallel.place(config.hydra.launcher, jobs=at_once)
    if job.place is None:
        configure_log(config.hydra.job_logging, config.hydra.verbose)
        return job.run_all  # their configurations are here, and need no composing again
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
    made = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=job, config=config
    )

    def launch(points: list[Point]) -> None:
        words = [opened(point.overrides) for point in points]
        names = [item.metric for item in command.objective]
        with parallel.beside_each_other(job.place, points, sweep=sweep.folder, metrics=names):
            made.launch(words, initial_job_idx=job.order[points[0].signature] - 1)

    return launch


def _left_to_do(sweep: Sweep, record: SweepRecord) -> list[Point]:
    """Returns the points that are to be run, and says which are not."""
    skipped: dict[str, int] = {}
    todo: dict[str, list[Point]] = {}
    for point in sweep.points:
        folder = sweep.folder / point.signature
        wanted, why = state.decide(folder, point.config, sweep.config.sweep)
        if state.is_running(sweep.folder, point.signature):
            wanted, why = True, state.ELSEWHERE
        if wanted:
            todo.setdefault(why, []).append(point)
            if why not in state.AS_IT_IS:
                record.forget(point)
        else:
            skipped[why] = skipped.get(why, 0) + 1
    twice = f" ({sweep.repeated} more are the same as others)" if sweep.repeated else ""
    say(f"sweep  {sweep.sweep_id}, {len(sweep.points)} points{twice}, in {short(sweep.folder)}")
    for why, number in skipped.items():
        say(f"       {number} {why}: not run again")
    for why, points in todo.items():
        if why != state.NEW:
            say(f"       {len(points)} {why}: {'go on' if why in state.AS_IT_IS else 'run again'}")
    return [point for points in todo.values() for point in points]


def _job(sweep: Sweep, record: SweepRecord, *, total: int) -> SweepJob:
    return SweepJob(
        sweep_id=sweep.sweep_id,
        folder=str(sweep.folder),
        parent=record.run_id,
        fail_fast=sweep.config.sweep.fail_fast,
        total=total,
    )


def _launch(points: list[Point], launch: Launch, *, sweep: Sweep, record: SweepRecord) -> None:
    """Runs points; those under which a process died are run again."""
    died: Counter[Point] = Counter()
    left = points
    while left:
        try:
            launch(left)
        except Exception as error:  # of the launcher: jobs report theirs in their folders
            say(f"the launcher stopped early: {one_line(error)}")
        stands = {point: state.standing(sweep.folder / point.signature) for point in left}
        left = [point for point, found in stands.items() if found in (state.NEW, state.KILLED)]
        if state.is_stopped(sweep.folder):
            return
        # Where no job had begun, it is the launcher that does not work.
        died.update([point for point in left if stands[point] == state.KILLED] or left)
        left = [point for point in left if died[point] < TRIES]
        record.close_what_was_killed()
        for point in left:
            folder = sweep.folder / point.signature
            running = state.is_running(sweep.folder, point.signature)
            if stands[point] == state.KILLED and not running and not state.can_go_on(folder):
                record.forget(point)
