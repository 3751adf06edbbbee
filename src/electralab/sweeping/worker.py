"""A process in which jobs of a sweep run: told to stop from afar, never left alone, on its GPU."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electralab import machine
from electralab.errors import Interrupted
from electralab.sweeping import state

PAUSE = 0.5  # seconds between two looks at what the main process wants


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the jobs of a sweep run, as the process knows that launches them.

    Attributes:
        parent: Id of the process without which jobs must not go on; none: they outlive it.
        jobs: How many run at once on a machine.
        devices: CUDA devices to share out; none: as the launcher gives them.
    """

    parent: int | None
    jobs: int
    devices: tuple[str, ...] = ()


class _Now:
    """What this process does."""

    folder: Path | None = None  # of the sweep
    place: Place | None = None
    job = 0  # the number of the job at hand; 0 between two
    idle: Any = None  # what SIGTERM does between two
    count = 0
    device: Any = None  # the lock of the CUDA device that it holds


@contextmanager
def at_work(place: Place | None, folder: Path) -> Iterator[None]:
    """Runs one job; what stops it stays here, so that the launcher waits for the others.

    Args:
        place: Where it runs; none: in the process of the command.
        folder: The sweep's.
    """
    if place is None or place.parent == os.getpid():  # where a launcher of one job runs it
        yield
        return
    _settle(place, folder)
    with contextlib.ExitStack() as stack:
        if place.parent is not None:  # the terminal belongs to all
            void = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(void))
            stack.enter_context(contextlib.redirect_stderr(void))
        _Now.count += 1
        _Now.job = _Now.count
        try:
            yield
        except (Interrupted, KeyboardInterrupt):
            pass  # the job's folder says so
        finally:
            _Now.job = 0
    if _is_alone(place):
        os._exit(1)


def _settle(place: Place, folder: Path) -> None:
    """Prepares the process, when its first job comes and when it goes to another sweep."""
    is_first = _Now.place is None
    if not is_first and (_Now.place, _Now.folder) == (place, folder):
        return
    _Now.place, _Now.folder = place, folder
    machine.share(place.jobs)
    if place.devices and is_first:  # before CUDA begins, and then for good
        number, _Now.device = _take_device(place, folder)
        os.environ["CUDA_VISIBLE_DEVICES"] = number
    if is_first:
        if place.parent is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _Now.idle = signal.getsignal(signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        threading.Thread(target=_watch, daemon=True, name="sweep").start()


def _take_device(place: Place, folder: Path) -> tuple[str, Any]:
    """Returns a CUDA device, and the lock that keeps others from it while this process lives."""
    from filelock import Timeout

    rounds = -(-place.jobs // len(place.devices))
    for number in range(rounds):
        for device in place.devices:
            lock = state.job_lock(folder, f"gpu-{device}-{number}")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return device, lock
    return place.devices[os.getpid() % len(place.devices)], None


def _is_alone(place: Place) -> bool:
    return place.parent is not None and os.getppid() != place.parent


def _watch() -> None:
    """Stops the job at hand, with a checkpoint, where the sweep is stopped or its process gone."""
    told = 0
    while True:
        time.sleep(PAUSE)
        alone = _is_alone(_Now.place)
        job = _Now.job
        if alone and not job:
            os._exit(1)
        if not job or job == told or signal.getsignal(signal.SIGTERM) == _Now.idle:
            continue  # before the run listens, or after it has ended
        if alone or state.is_stopped(_Now.folder, running=True):
            told = job
            os.kill(os.getpid(), signal.SIGTERM)
