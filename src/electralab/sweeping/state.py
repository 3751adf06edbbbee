"""How the job of a point stands, as its folder tells."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.checking.local_models import weights_damage
from electralab.config import Chain
from electralab.data.contents import contents
from electralab.running import alive, checkpoints
from electralab.running import folder as files
from electralab.running.resuming import is_trained
from electralab.tracking import provenance

if TYPE_CHECKING:
    from filelock import FileLock

    from electralab.config import Config, SweepConfig

NEW, FINISHED, PRUNED, FAILED, KILLED = "NEW", "FINISHED", "PRUNED", "FAILED", "KILLED"
DONE = (FINISHED, PRUNED)
FAILED_BEFORE, FAILED_GOES_ON = "failed before", "failed before with a checkpoint"
STOPPED, STOPPED_GOES_ON = "stopped before", "stopped before with a checkpoint"
ELSEWHERE = "still run by another process, which is waited for"
AS_IT_IS = (
    NEW,
    ELSEWHERE,
    FAILED_GOES_ON,
    STOPPED_GOES_ON,
)  # what lies in a job's folder stays there
ATTEMPTS = "attempts"  # what is left of jobs that were started anew, in a sweep's folder
STOP = ".stop"  # in a sweep's folder: no more jobs are to be started


def standing(folder: Path) -> str:
    """Returns ``NEW``, ``FINISHED``, ``PRUNED``, ``FAILED`` or ``KILLED``.

    A job that was killed before it could say so has no summary.

    Args:
        folder: Of a job.
    """
    summary = files.read_json(folder / files.SUMMARY)
    status = summary.get("status")
    if status in (*DONE, FAILED):
        return status
    return KILLED if summary or (folder / files.IDENTITY).is_file() else NEW


def reason(folder: Path) -> str:
    """Returns why a job failed, in one line; empty where nothing is known."""
    return str(files.read_json(folder / files.SUMMARY).get("reason", ""))


def can_go_on(folder: Path) -> bool:
    """Says whether a job left something to go on with: a checkpoint, a model, a chain's runs."""
    if files.read_json(folder / files.IDENTITY).get("task") == "chain":
        return True
    if is_trained(folder) and weights_damage(folder / files.MODEL) is None:
        return True
    return checkpoints.find_whole(folder)[0] is not None


def outdated(folder: Path, config: Config | Chain, *, same_code: bool) -> str | None:
    """Says what a job was made with that is otherwise now; none: it is what it would be again.

    Args:
        folder: Of a job with the same signature.
        config: The configuration of its point.
        same_code: Whether other code of electralab counts.
    """
    known = files.read_json(folder / files.IDENTITY)
    stages = [config.adapt, config.finetune] if isinstance(config, Chain) else [config]
    found = " ".join(contents(stage.data) for stage in stages)
    if known.get("contents") not in (None, found):
        return "made with other data"
    if same_code and known.get("code") not in (None, provenance.code()):
        return "made with other code"
    return None


def decide(folder: Path, config: Config | Chain, rules: SweepConfig) -> tuple[bool, str]:
    """Says whether a job is to be run, and what for.

    Args:
        folder: Of the job.
        config: The configuration of its point.
        rules: The keys of `sweep`.

    Returns:
        Whether to run it, and why; one of `AS_IT_IS` if what is there stays.
    """
    found = standing(folder)
    if found == NEW:
        return True, NEW
    if found == FAILED and rules.on_failed == "skip":
        return False, FAILED_BEFORE
    if found in DONE and rules.on_finished == "rerun":
        return True, "finished before"
    if why := outdated(folder, config, same_code=rules.same_code):
        return True, why
    if found in DONE:
        return False, "finished before"
    if can_go_on(folder):
        return True, FAILED_GOES_ON if found == FAILED else STOPPED_GOES_ON
    return True, FAILED_BEFORE if found == FAILED else STOPPED


def put_aside(folder: Path) -> None:
    """Moves what a job left to the attempts of its sweep, for it to start anew."""
    parent = folder.parent / ATTEMPTS
    parent.mkdir(exist_ok=True)
    number = 1
    while (parent / f"{folder.name}-{number}").exists():
        number += 1
    os.rename(folder, parent / f"{folder.name}-{number}")


def stop(sweep: Path, *, running: bool) -> None:
    """Says to all processes of a sweep, wherever they are, that no more jobs are to be started.

    Args:
        sweep: The sweep's folder.
        running: Those that run are to save a checkpoint and end.
    """
    files.write_whole(sweep / STOP, "running jobs too\n" if running else "")


def is_stopped(sweep: Path, *, running: bool = False) -> bool:
    """Says whether no more jobs are to be started, or those that run are to end.

    Args:
        sweep: The sweep's folder.
        running: Ask for the latter.
    """
    try:
        return (sweep / STOP).stat().st_size > 0 or not running
    except OSError:
        return False


def job_lock(sweep: Path, sign: str) -> FileLock:
    """Returns the lock that a process holds while it runs a job; whatever ends it opens it.

    Args:
        sweep: The sweep's folder.
        sign: The job's signature.
    """
    from filelock import FileLock

    locks = sweep / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / sign)


def is_running(sweep: Path, sign: str) -> bool:
    """Says whether a process runs a job at this moment, be it that `resume` goes on with it."""
    from filelock import Timeout

    try:
        with job_lock(sweep, sign).acquire(timeout=0):
            return alive.who_runs(sweep / sign) is not None
    except Timeout:
        return True
