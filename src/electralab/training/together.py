"""What the processes of one run agree on: who goes first, one record, one end."""

from __future__ import annotations

import json
import signal
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from electralab import processes
from electralab.errors import Interrupted, RunFailure, UserError, one_line
from electralab.running import folder as files
from electralab.tracking.run import TrackedRun
from electralab.tracking.store import Store

WHY = "electralab/why"  # the key under which the first process that leaves says why
_KINDS = {"UserError": UserError, "RunFailure": RunFailure}


@cache
def _group() -> dist.ProcessGroup:
    """Connections of the CPU, beside those of the gradients: asking never waits for a GPU.

    They wait as long as data takes to prepare, and break at once when a process ends.
    """
    return dist.new_group(backend="gloo", timeout=timedelta(days=7))


def wait_for_all() -> None:
    """Waits until every process has come here."""
    if processes.count() > 1:
        dist.barrier(group=_group())


@contextmanager
def main_first() -> Iterator[None]:
    """Lets the main process do something before the others, which find it done."""
    if not processes.is_main():
        wait_for_all()
    yield
    if processes.is_main():
        wait_for_all()


def highest(number: int) -> int:
    """Returns the highest number that a process gives; each must ask."""
    if processes.count() == 1:
        return number
    value = torch.tensor(number)
    dist.all_reduce(value, op=dist.ReduceOp.MAX, group=_group())
    return int(value)


def from_all(items: list[Any]) -> list[Any]:
    """Returns what every process gives, in the order of processes; each must ask."""
    if processes.count() == 1:
        return items
    found: list[list[Any]] = [[]] * processes.count()
    dist.all_gather_object(found, items, group=_group())
    return [item for part in found for item in part]


def draw_apart(seed: int) -> None:
    """Gives each process its own dropout, by the seed; that of the main one stays as it is."""
    if not processes.is_main():
        # Of a seed the generator of the CPU takes 32 bits.
        [mixed] = np.random.SeedSequence([seed, processes.rank()]).generate_state(1)
        torch.manual_seed(int(mixed))


@contextmanager
def one_record(
    opened: AbstractContextManager[tuple[TrackedRun, Path]],
) -> Iterator[tuple[TrackedRun, Path]]:
    """Opens the record of a run in the main process alone; the others leave when it is closed.

    Args:
        opened: As `record.track` returns it; only the main process enters it.

    Yields:
        The tracked run, in the other processes one that goes nowhere, and the run's folder.
    """
    if processes.count() == 1:
        with opened as found:
            yield found
        return
    known: list[str] = ["", ""]
    if processes.is_main():
        with opened as (run, folder), one_reason(folder):
            dist.broadcast_object_list([run.run_id, str(folder)], src=0, group=_group())
            yield run, folder
            wait_for_all()
        return
    dist.broadcast_object_list(known, src=0, group=_group())
    yield TrackedRun(store=Store("off"), run_id=known[0]), Path(known[1])
    wait_for_all()


@contextmanager
def one_reason(folder: Path | None = None) -> Iterator[None]:
    """Makes the reason for which the first process left that of the main one, which records it.

    What the main process itself meets then is but a broken connection, or the launcher's signal.

    Args:
        folder: Of the run, where it has one: its log holds the trace of another process.
    """
    try:
        yield
    except BaseException as error:
        if processes.count() == 1 or not dist.is_initialized():
            raise
        if not processes.is_main():
            _leave(error)
            raise
        first = _why_others_left(error, folder)
        if first is None:
            raise
        # The launcher is about to end this process too; the record is closed and the reason said.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise first from error


def _leave(error: BaseException) -> None:
    """Says why this process leaves; its end then breaks the connections on which others wait."""
    store = dist.distributed_c10d._get_default_store()
    trace = "".join(traceback.format_exception(error))
    said: dict[str, Any] = {"rank": processes.rank(), "line": _named(error), "trace": trace}
    if isinstance(error, Interrupted):
        said["status"] = error.exit_status
    elif isinstance(error, UserError):
        said |= {"kind": type(error).__name__, "lines": error.problems}
    store.compare_set(WHY, "", json.dumps(said))
    # A mistake is found by every process; the end of this one would only hurry the main one.
    processes.tell(patience=processes.PATIENCE if "kind" in said else 0)


def _why_others_left(error: BaseException, folder: Path | None) -> BaseException | None:
    """Returns what to raise instead of an error of the main process; none: the error itself."""
    store = dist.distributed_c10d._get_default_store()
    broken = _is_broken_connection(error)
    if not store.check([WHY]):
        if not broken:
            return None
        return RunFailure(
            "Another process of the run ended without a word, as one does that is killed or runs "
            f"out of memory ({processes.count()} were started)."
        )
    if not (broken or isinstance(error, Interrupted)):
        return None  # an error of its own
    said = json.loads(store.get(WHY))
    if "status" in said:
        return None if isinstance(error, Interrupted) else Interrupted(said["status"])
    if "kind" in said:
        return _KINDS.get(said["kind"], RunFailure)(said["lines"])
    where = f" (the trace is in {folder / files.LOG})" if folder else ""
    failure = RunFailure(f"Process {said['rank']} failed: {said['line']}{where}.")
    failure.add_note(f"In process {said['rank']}:\n{said['trace']}")
    return failure


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__


def _is_broken_connection(error: BaseException) -> bool:
    """Says whether an operation between processes failed, for another one is gone."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error) for word in ("gloo", "Gloo", "NCCL", "Connection closed by peer")
    )
