"""Whether a run is still running: two processes must not write into one folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".running"


@contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Marks a run as running for as long as this process lives, however it ends.

    The lock is one of the process and not of the file, so that workers of a loader, which outlive a
    killed run by seconds, do not hold it.

    Args:
        folder: The run's.
    """
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(f"process {os.getpid()} on {os.uname().nodename}")
            file.flush()
        except OSError:  # a file system without locks
            pass
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
        with (folder / LOCK).open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read() or "another process"
    except OSError:  # it was never marked, or cannot be asked
        return None
    return None
