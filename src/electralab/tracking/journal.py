"""What a run says to its store, in order and in a file of its folder: the queue and the spill."""

from __future__ import annotations

import io
import json
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from electralab.tracking.shape import Entry, parsed

NAME = "tracking.jsonl"
SENT = "sent"  # the entry that says up to which byte the store has everything
RUN_ID, STORE = "run_id", "store"  # of the entry that a journal begins with
POINTS = "points"
BATCH = 1000  # points a request; MLflow's limit
MOST_WAITING = 10_000  # entries that are kept in memory while the disk takes none


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """The next thing to send.

    Attributes:
        entry: Points that follow each other are one entry.
        end: Where it ends in the file; none: it is in memory alone.
    """

    entry: Entry
    end: int | None = None


class Journal:
    """A queue that outlives its process.

    An entry is written when it is added, before anything is sent, so that a process that is killed
    loses none; the store is behind by what stands after the last mark. While there is no folder
    yet, or its disk is full, entries wait in memory.

    Attributes:
        path: The file; none before there is a folder.
        lost: Entries that found no room on the disk nor in memory.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self.lost = 0
        self._file: FileIO | None = None
        self._handle: int | None = None  # for reading, to the end of this object
        self._size = 0  # bytes of whole entries in the file
        self._sent = 0  # the store has what is before this byte
        self._marked = 0  # so it is noted
        self._waiting: deque[bytes] = deque()
        self._flying: tuple[bytes, ...] = ()  # from memory, on their way to the store
        self._lock = threading.Lock()

    def keep_in(self, folder: Path, *, run_id: str, store: dict[str, str]) -> None:
        """Goes on in a folder's file; one of another run is put aside.

        Args:
            folder: Of the run.
            run_id: The run's id.
            store: Where the run is recorded, for who delivers the rest later.
        """
        path = folder / NAME
        other = next(iter_entries(path), {}).get(RUN_ID, run_id)
        if other != run_id:
            os.replace(path, path.with_name(f"{path.stem}-{str(other)[:8]}{path.suffix}"))
        sent = [entry[SENT] for entry in iter_entries(path) if SENT in entry]
        with self._lock:
            self.path, self._file = path, FileIO(path, "a+")
            self._handle = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._handle)
            self._size = self._length()
            self._sent = self._marked = min(sent[-1], self._size) if sent else 0
            if self._size and not _is_whole(path):
                self._file.write(b"\n")
            self._waiting.appendleft(_line({RUN_ID: run_id, STORE: store}))
            self._write()

    def add(self, entry: Entry) -> None:
        """Adds an entry; takes microseconds, and fails on no disk."""
        with self._lock:
            self._waiting.append(_line(entry))
            self._write()
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self.lost += 1

    def entries(self) -> Iterator[Entry]:
        """Returns everything that was ever added, as far as it is on the disk."""
        return iter_entries(self.path) if self.path else iter(())

    def unsent(self) -> Iterator[Entry]:
        """Returns what the store lacks, or is being given.

        Raises:
            OSError: The disk does not say.
        """
        with self._lock:
            written, lines = self._written(self._sent), (*self._flying, *self._waiting)
        yield from (entry for entry, _ in written)
        yield from map(json.loads, lines)

    def next(self) -> Parcel | None:
        """Returns what is to be sent next; none: the store has everything.

        Raises:
            OSError: The disk does not say.
        """
        with self._lock:
            self._write()  # there may be room again
            written = self._written(self._sent)
        found, end = _joined(written)
        if found:
            return Parcel(entry=found, end=end)
        with self._lock:
            if not self._waiting:
                return None
            found, number = _joined((json.loads(line), i) for i, line in enumerate(self._waiting))
            self._flying = tuple(self._waiting.popleft() for _ in range(number + 1))
        return Parcel(entry=found)

    def taken(self, parcel: Parcel) -> None:
        """Notes that the store has what `next` gave."""
        if parcel.end is not None:
            self._sent = parcel.end
        with self._lock:
            self._flying = ()

    def returned(self) -> None:
        """Takes back what `next` gave and the store did not take."""
        with self._lock:
            self._land()

    def mark(self) -> None:
        """Writes down up to where the store has everything."""
        if self._file and self._sent > self._marked:
            self._marked = self._sent
            self.add({SENT: self._sent})

    def sync(self) -> None:
        """Waits until the file has reached its disk; who adds something meanwhile does not."""
        if self._handle is not None:
            with suppress(OSError):
                os.fsync(self._handle)

    def close(self) -> None:
        """Closes the file; what is on its way is in it too, for it may not arrive."""
        with self._lock:
            self._land()
            self._write()
            if self._file:
                self._file.close()
                self._file = None
        self.sync()

    def _land(self) -> None:
        self._waiting.extendleft(reversed(self._flying))
        self._flying = ()

    def _write(self) -> None:
        """Moves what waits to the file; what does not fit there whole goes on waiting."""
        with suppress(OSError):
            while self._file and self._waiting:
                line, before = self._waiting[0], self._length()
                if self._file.write(line) != len(line):
                    self._file.truncate(before)
                    return
                self._waiting.popleft()
                self._size = self._length()

    def _length(self) -> int:
        return os.fstat(self._file.fileno()).st_size  # `electralab sync` adds to it as well

    def _written(self, start: int) -> Iterator[tuple[Entry, int]]:
        """Returns entries of the file and where each of them ends; marks are left out."""
        return iter(()) if self._handle is None else _read(self._handle, start, self._size)


class _Raw(io.RawIOBase):
    """Reads by a handle that others use too, of a file whose folder may be gone."""

    def __init__(self, handle: int, place: int) -> None:
        self._handle, self._place = handle, place

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = os.pread(self._handle, len(buffer), self._place)
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


def _read(handle: int, start: int, size: int) -> Iterator[tuple[Entry, int]]:
    file = io.BufferedReader(_Raw(handle, start))
    while start < size:
        line = file.readline()
        start += len(line)
        if not line:  # somebody shortened the file
            return
        entry = parsed(line)
        if entry and SENT not in entry and RUN_ID not in entry:
            yield entry, start


def iter_entries(path: Path) -> Iterator[Entry]:
    """Returns the entries of a journal, whoever wrote it; what is damaged is left out."""
    for entry, _ in iter_placed(path):
        yield entry


def iter_placed(path: Path) -> Iterator[tuple[Entry, int]]:
    """Returns the entries of a journal and where each of them ends."""
    end = 0
    try:
        with path.open("rb") as file:
            for line in file:
                end += len(line)
                if entry := parsed(line):
                    yield entry, end
    except OSError:
        return


def _is_whole(path: Path) -> bool:
    """Says whether the last line of a file has its end; the power may have gone before."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _line(entry: Entry) -> bytes:
    return json.dumps(entry).encode() + b"\n"


def _joined(entries: Iterable[tuple[Entry, int]]) -> tuple[Entry, int]:
    """Returns the first entry, or the points of the first ones that have points, and its place."""
    points: list[Any] = []
    place = 0
    for entry, here in entries:
        more = entry.get(POINTS)
        if more is None:
            return ({POINTS: points}, place) if points else (entry, here)
        if points and len(points) + len(more) > BATCH:
            break
        points, place = points + more, here
    return ({POINTS: points} if points else {}), place
