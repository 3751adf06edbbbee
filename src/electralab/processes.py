"""Several processes for one run, as torchrun starts them: who speaks, what needs a single one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

from electralab.errors import UserError
from electralab.terminal import visible

PATIENCE = 10.0  # seconds in which the main process says what every process has found

_told: float | None = None  # the patience of a process whose reason the main one knows


def count() -> int:
    """Returns how many processes share the run; 1 where no launcher says otherwise."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Returns the number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_main() -> bool:
    """Says whether this process records the run and speaks for all."""
    return rank() == 0


def command(processes: int | None = None) -> str:
    """Returns how `electralab` is typed for so many processes; none: as many as there are."""
    number = count() if processes is None else processes
    several = f"torchrun --nproc-per-node={number} -m "
    return f"{several if number > 1 else ''}electralab"


def refuse_several(what: str, instead: str) -> None:
    """Refuses what must run in one process.

    Args:
        what: Such as ``a sweep``.
        instead: What to do.

    Raises:
        UserError: There are several.
    """
    if count() > 1:
        raise UserError(
            f"`torchrun` must start one process for {what}, but started {count()}; {instead}."
        )


def hush() -> None:
    """Silences every process but the main one, and what torch itself says of several."""
    if count() > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # read when torch loads
    if not is_main():
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def tell(*, patience: float) -> None:
    """Notes that the main process knows why this one fails, and is going to say it.

    Args:
        patience: Seconds for which this process waits to be ended before it ends itself.
    """
    global _told
    _told = patience


def complain(lines: Iterable[str]) -> None:
    """Says why a command fails, once for all processes.

    What every process finds, the main one says; its end is the end of the others, which wait for
    it. What another one alone finds, that one says in the end.
    """
    stream = sys.stderr
    if not is_main():
        # The launcher ends this process when the main one has failed.
        time.sleep(PATIENCE if _told is None else _told)
        if _told is not None:
            return
        stream = sys.__stderr__
    for line in lines:
        print(visible(line), file=stream, flush=True)
