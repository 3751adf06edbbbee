"""Jobs beside each other: how many, on what, and how they are stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab import machine
from electralab.checking.launcher_checks import kind
from electralab.errors import Interrupted
from electralab.sweeping import state
from electralab.sweeping.progress import reported
from electralab.sweeping.worker import Place

if TYPE_CHECKING:
    from electralab.sweeping.plan import Point

_NOTED = b"\nstopping: jobs save a checkpoint and end; once more stops at once\n"
RESTARTS = 100  # of a job whose time on a cluster is over
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def place(node: Any, *, jobs: int) -> Place | None:
    """Says where the jobs of a sweep run, and makes the launcher start as many as can be of use.

    Args:
        node: `hydra.launcher`; changed.
        jobs: To run at most at once.

    Returns:
        Where; none: in this process, one after another.
    """
    chosen = kind(node)
    if chosen == "basic":
        return None
    if chosen == "local":
        return Place(parent=None, jobs=jobs)
    if chosen == "slurm":  # which gives each job its share of a machine
        # The plugin's default is never to go on; ours cannot lose anything.
        node.max_num_timeout = node.max_num_timeout or RESTARTS
        return Place(parent=None, jobs=1)
    asked = node.n_jobs
    node.n_jobs = min(asked if asked > 0 else max(1, machine.cores() + 1 + asked), jobs)
    node.batch_size = "1"  # a process that dies takes one job with it
    if node.n_jobs == 1:
        return None  # joblib starts no process for one
    return Place(parent=os.getpid(), jobs=node.n_jobs, devices=devices())


def devices() -> tuple[str, ...]:
    """Returns the CUDA devices to share out among jobs; none where there are not several."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        import torch

        found = tuple(str(number) for number in range(torch.cuda.device_count()))
    else:
        found = tuple(filter(None, named.split(",")))
    return found if len(found) > 1 else ()


@contextmanager
def beside_each_other(
    where: Place | None, points: list[Point], *, sweep: Path, metrics: list[str]
) -> Iterator[None]:
    """Surrounds a launcher's work: jobs share the machine, are reported on, and can be stopped.

    Args:
        where: As `place` says it; none: nothing is to be done.
        points: The jobs.
        sweep: The sweep's folder.
        metrics: The objective's, for what is said of a job that ends.

    Raises:
        Interrupted: A signal came.
    """
    if where is None:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(stoppable(sweep))
        stack.enter_context(reported(points, sweep, metrics=metrics))
        stack.enter_context(threads_shared(where))
        if where.parent is None:
            # It will hold pickles, with all that was typed, and whoever writes there runs code.
            (sweep / ".submitit").mkdir(mode=0o700, exist_ok=True)
            stack.enter_context(waiting_for_all())
        yield


@contextmanager
def threads_shared(where: Place) -> Iterator[None]:
    """Gives what is started meanwhile its share of the cores, unless OMP_NUM_THREADS says more."""
    name = "OMP_NUM_THREADS"  # what torch reads when it loads
    if name in os.environ or where.jobs == 1:
        yield
        return
    os.environ[name] = str(max(1, machine.cores() // where.jobs))
    try:
        yield
    finally:
        del os.environ[name]


@contextmanager
def stoppable(sweep: Path) -> Iterator[None]:
    """Makes the first signal one to all jobs, in whatever process, and waits for these.

    Args:
        sweep: The sweep's folder.

    Raises:
        Interrupted: After the first signal, when the jobs have ended; at the second one at once.
    """
    received: list[int] = []

    def receive(number: int, _frame: Any) -> None:
        if received:
            raise Interrupted(128 + number)
        received.append(number)
        state.stop(sweep, running=True)
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), _NOTED)

    # A process inherits what its maker blocks: a Ctrl-C or the end of a session must not end those
    # that are started here while they start or wait, and it reaches this one by another thread.
    done = threading.Event()
    before = {number: signal.signal(number, receive) for number in _SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    threading.Thread(target=_take_signals, args=(done,), daemon=True, name="signals").start()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        done.set()
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise Interrupted(128 + received[0])


def _take_signals(done: threading.Event) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    done.wait()


@contextmanager
def waiting_for_all() -> Iterator[None]:
    """Makes submitit wait for every job, where it would leave at the first that ended badly."""
    from submitit.core.core import Job
    from submitit.core.utils import FailedJobError, UncompletedJobError

    results = Job.results

    def wait(job: Any) -> list[Any]:
        try:
            return results(job)
        except (FailedJobError, UncompletedJobError) as error:
            return [error]  # what became of it stands in its folder

    Job.results = wait
    try:
        yield
    finally:
        Job.results = results
