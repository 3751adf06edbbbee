"""Disks that fill up or go away: one line that says which, and what to do."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from electralab import processes
from electralab.errors import RunFailure
from electralab.running import checkpoints
from electralab.running import folder as files

_FULL = (errno.ENOSPC, errno.EDQUOT)
# What libraries say that do not raise an OSError with a number: safetensors and tokenizers, SQLite,
# NumPy; and torch, which does not say why.
_SAY_FULL = re.compile(
    r"No space left on device|Disk quota exceeded|database or disk is full"
    r"|\d+ requested and \d+ written"
)
_SAY_UNWRITTEN = re.compile(
    r"PytorchStreamWriter failed writing file|iostream error|inline_container\.cc.* unexpected pos"
)
_AWAY = (errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.ESTALE, errno.ENOTCONN)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Makes one line of a disk that is full or gone.

    Args:
        folder: Of the run, or where it is going to lie.

    Raises:
        RunFailure: The disk cannot be written to.
    """
    try:
        yield
    except RunFailure:
        raise
    except Exception as error:
        if reason := _reason(error, folder):
            raise RunFailure(reason) from error
        raise


class StillThere(TrainerCallback):
    """Stops a run whose folder is gone, for checkpoints would make a folder anew without the rest.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks where something is about to be logged or saved."""
        if control.should_log or control.should_save:
            self.on_train_end(args, state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks before the model is saved."""
        if state.is_world_process_zero and not (self._folder / files.IDENTITY).is_file():
            raise RunFailure(_gone(self._folder))


def _reason(error: BaseException, folder: Path) -> str | None:
    """Returns the line for an exception, if it or what caused it comes from a disk."""
    cause: BaseException | None = error
    while cause is not None:
        number = cause.errno if isinstance(cause, OSError) else None
        if number in _FULL or _SAY_FULL.search(str(cause)):
            return _full(cause, folder)
        if _SAY_UNWRITTEN.search(str(cause)):
            return _full(cause, folder, verb="seems to be")
        path = Path(str(getattr(cause, "filename", None) or ""))
        if number in _AWAY and (path == folder or folder in path.parents):
            if not folder.is_dir():
                return _gone(folder)
            if number != errno.ENOENT:
                return f"{folder} cannot be written to ({cause.strerror}); {_then(folder)}."
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _full(error: BaseException, folder: Path, *, verb: str = "is") -> str:
    """Says which disk is full: that of the file, of the folder or of temporary files."""
    named = getattr(error, "filename", None)
    places = [Path(named).parent] if isinstance(named, str) else []
    places = [_existing(path) for path in (*places, folder, Path(tempfile.gettempdir()))]
    fullest = min(places, key=lambda path: shutil.disk_usage(path).free)
    usage = shutil.disk_usage(fullest)
    left = f"{_size(usage.free)} of {_size(usage.total)} are free"
    return f"The disk of {fullest} {verb} full ({left}); free some space there, {_then(folder)}."


def _gone(folder: Path) -> str:
    return f"{folder} was removed in the middle of the run, which cannot go on; start it again."


def _then(folder: Path) -> str:
    if checkpoints.find_whole(folder)[0]:
        return f"and go on with: {processes.command()} resume {folder}"
    return "or set `output_dir` to another one"


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.absolute().parents) if place.is_dir())


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
