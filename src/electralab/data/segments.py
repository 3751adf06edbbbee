"""The segments of a stream on disk, and the thread that makes them ahead of the training."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import sources
from electralab.data.batches import batches
from electralab.data.clean import faultless
from electralab.data.pack import pack
from electralab.data.token_ids import PlainTokenizer, special_ids, threads, tokenised
from electralab.errors import RunFailure, UserError, one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from electralab.config import DataConfig

CHARACTERS = 1 << 22  # a segment ends with the document that reaches so many
AHEAD = 4  # segments that are made before the training asks for them
PATIENCE = 10.0  # seconds to wait for a read that hangs, when the training is over
META, USED, END, FAILURE, HUNGRY = "stream.json", "used", "end", "failure.json", "hungry"


def place(folder: Path, number: int) -> Path:
    """Returns where a segment lies; they count from 1, for the head of the stream is the first."""
    return folder / f"{number:08d}"


def rows_of(folder: Path, number: int) -> int | None:
    """Returns the rows of a segment, none if it is not there."""
    try:
        return json.loads((place(folder, number) / META).read_text())["rows"]
    except FileNotFoundError:
        return None


def ask_for_more(folder: Path) -> None:
    """Says that the training waits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HUNGRY).touch()


def mark_used(folder: Path, number: int) -> None:
    """Says that the training has come to a segment."""
    if number:
        (place(folder, number) / USED).touch()


def failure(folder: Path) -> Exception | None:
    """Returns what kept the stream from going on."""
    try:
        found = json.loads((folder / FAILURE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return UserError(found["user"]) if "user" in found else RunFailure(found["other"])


class _Stopped(Exception):
    """The training is over."""


class Writer:
    """Reads a stream behind its head and writes segment after segment.

    Where a segment ends follows from the texts alone. Of several processes with the same stream one
    writes at a time; another takes over when it is done. What is written stays for later runs.

    Args:
        folder: Receives the segments.
        head: Documents that were prepared before.
        head_rows: Rows that they gave.
        data: The configuration's `data` node.
        columns: The column of each role.
        tokenizer: What makes the ids.
    """

    def __init__(
        self,
        folder: Path,
        *,
        head: int,
        head_rows: int,
        data: DataConfig,
        columns: Mapping[str, str],
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self.folder, self.head, self.head_rows = folder, head, head_rows
        self.data, self.columns, self.tokenizer = data, columns, tokenizer
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._wanted = 0

    def start(self, rows: int) -> None:
        """Begins, where fewer rows are there than will be wanted."""
        self._wanted = rows
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / FAILURE).unlink(missing_ok=True)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stream")
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Ends after the batch that is being tokenised."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        from filelock import FileLock, Timeout

        try:
            while not self._stop.is_set():
                try:
                    with FileLock(self.folder / "lock", timeout=0.2), threads(self.data.num_proc):
                        return self._write()
                except Timeout:  # another process writes
                    pass
        except _Stopped:
            pass
        except UserError as error:
            self._note({"user": list(error.problems)})
        except Exception as error:
            reason = str(error) if isinstance(error, RunFailure) else one_line(error)
            self._note({"other": f"The stream cannot be read on: {reason}"})

    def _write(self) -> None:
        number, rows, documents = 1, self.head_rows, self.head
        while (found := rows_of(self.folder, number)) is not None:
            documents = json.loads((place(self.folder, number) / META).read_text())["documents"]
            number, rows = number + 1, rows + found
        if rows >= self._wanted or (self.folder / END).is_file():
            return
        stream = sources.stream(self.data, columns=self.columns, start=documents)
        while rows < self._wanted:
            self._await_use(number)
            texts = self._next(stream)
            if not texts:
                if not rows:
                    raise UserError("`data.path` must give text.")
                (self.folder / END).touch()
                return
            documents += len(texts)
            rows += self._segment(texts, number, documents)
            number += 1

    def _await_use(self, number: int) -> None:
        """Waits until the training has come near, or until it waits itself."""
        earlier = number - AHEAD
        while earlier >= 1 and not (place(self.folder, earlier) / USED).is_file():
            if (self.folder / HUNGRY).is_file():
                break
            if self._stop.wait(0.05):
                raise _Stopped
        (self.folder / HUNGRY).unlink(missing_ok=True)

    def _next(self, stream: Iterator[Any]) -> list[str | None]:
        texts: list[str | None] = []
        characters = 0
        for (text,) in stream:
            texts.append(text)
            characters += len(text or "")
            if characters >= CHARACTERS:
                break
            if self._stop.is_set():
                raise _Stopped
        return texts

    def _segment(self, texts: list[str | None], number: int, documents: int) -> int:
        """Writes a segment, whole or not at all, and returns its rows."""
        final = place(self.folder, number)
        unfinished = final.with_suffix(".tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            count = pack(
                self._ids(texts),
                unfinished,
                packing=self.data.packing,
                max_length=self.data.max_length,
                vocab_size=len(self.tokenizer),
                **special_ids(self.tokenizer),
            )
            meta = {"rows": count["rows"], "documents": documents}
            (unfinished / META).write_text(json.dumps(meta))
            shutil.rmtree(final, ignore_errors=True)  # one behind a gap that somebody made
            os.replace(unfinished, final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return count["rows"]

    def _ids(self, texts: list[str | None]) -> Iterator[list[Any]]:
        kept = faultless(texts, self.data.clean)
        for _, ids in tokenised(batches(kept), PlainTokenizer(self.tokenizer)):
            if self._stop.is_set():
                raise _Stopped
            yield ids

    def _note(self, found: dict[str, Any]) -> None:
        unfinished = self.folder / f".{FAILURE}"
        unfinished.write_text(json.dumps(found), encoding="utf-8")
        os.replace(unfinished, self.folder / FAILURE)
