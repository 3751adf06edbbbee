"""The log of a run, which begins before the run has a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import MemoryHandler
from pathlib import Path

from electralab.tracking.redaction import mask_text

_OURS = logging.getLogger("electralab")
_NEVER = logging.CRITICAL + 1


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))


class _File(logging.FileHandler):
    """Loses lines where the disk is full or gone, rather than the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Says nothing: Python would print a trace a line."""

    def close(self) -> None:
        """Closes the file, whatever is left to be written."""
        with suppress(OSError):
            super().close()


_FORM = _WithoutSecrets("%(asctime)s %(levelname)s %(message)s")


class RunLog:
    """Keeps what is logged until there is a file for it, and shows our warnings on the terminal.

    Use as a context manager around everything that a run does.
    """

    def __init__(self) -> None:
        self._memory = MemoryHandler(capacity=100_000, flushLevel=_NEVER, flushOnClose=False)
        # Python prints warnings itself only as long as nothing else listens.
        self._terminal = logging.StreamHandler()
        self._terminal.setLevel(logging.WARNING)
        self._level = logging.NOTSET

    def __enter__(self) -> RunLog:
        self._level = _OURS.level
        _OURS.setLevel(logging.INFO)
        _OURS.addHandler(self._terminal)
        logging.getLogger().addHandler(self._memory)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._memory)
        _OURS.removeHandler(self._terminal)
        _OURS.setLevel(self._level)
        self._memory.close()

    @contextmanager
    def written_to(self, file: Path) -> Iterator[None]:
        """Writes to a file what was logged so far and what is going to be.

        Args:
            file: Is added to if it exists.
        """
        handler = _File(file, encoding="utf-8")
        handler.setFormatter(_FORM)
        self._memory.setTarget(handler)
        self._memory.flush()
        root = logging.getLogger()
        root.removeHandler(self._memory)
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            handler.close()
