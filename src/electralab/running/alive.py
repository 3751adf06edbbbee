"""Whether a run is still running: two processes must not write into one folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from electralab.errors import UserError

LOCK = ".running"
_SECONDS = 1.0  # in which those who only ask let go of the lock


@contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Marks a run as running for as long as this process lives, however it ends.

    The lock is one of the process and not of the file, so that workers of a loader, which outlive a
    killed run by seconds, do not hold it.

    Args:
        folder: The run's.

    Raises:
        UserError: Another process runs it.
    """
    with _locked(folder / LOCK) as file:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def who_runs(folder: Path) -> str | None:
    """Returns which process runs a run; none: no one does.

    Args:
        folder: The run's; not one that this very process runs.
    """
    try:
        with (folder / LOCK).open() as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # which all who ask may have
            except BlockingIOError:
                return file.read() or "another process"
    except OSError:  # it was never marked, or cannot be asked
        return None
    return None


@contextmanager
def _locked(path: Path) -> Iterator[TextIOWrapper]:
    end = time.monotonic() + _SECONDS
    while True:
        with path.open("a+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    file.seek(0)
                    raise UserError(
                        f"RUN must not be running, but {path.parent} is running in "
                        f"{file.read() or 'another process'}; wait for it, or stop it first."
                    ) from None
            except OSError:  # a file system without locks
                yield file
                return
            else:
                if _is_still(path, file):  # and not removed by who had it until now
                    yield file
                    return
        time.sleep(0.05)


def _is_still(path: Path, file: TextIOWrapper) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
