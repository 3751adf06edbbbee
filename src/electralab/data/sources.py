"""Reading a data source: text in, a 🤗 Dataset with one column `text` out."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import files, hub, peek, readers
from electralab.data.batches import batches
from electralab.data.python_docs import iter_docstrings, python_docs_version
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import DataConfig

FORMAT = 1  # goes up when reading gives other texts from the same source


def read(data: DataConfig, *, cache_dir: Path) -> dict[str, Dataset]:
    """Reads the documents of each split that is given by itself.

    Args:
        data: The configuration's `data` node.
        cache_dir: What is read is kept below it, under ``datasets``, memory-mapped.

    Returns:
        ``train``, and ``validation`` and ``test`` where they are files or splits of their own; each
        with one column ``text``, in which None is a document without text.

    Raises:
        UserError: A path, file or column is not as it should be; one line a problem.
    """
    problems = peek.problems(data)
    if problems:
        raise UserError(problems)
    folder = Path(cache_dir).absolute() / "datasets"
    folder /= _digest([identity(data), data.columns.text, data.unit])
    if data.source == "hub":
        with _bars_on_terminals_only():
            return hub.read(data, cache_dir=folder)
    if data.source == "python_docs":
        return {"train": _kept(_docstrings(data.num_proc), folder / "train.arrow")}
    return {
        split: _kept(_documents(paths, data), folder / f"{split}.arrow")
        for split, paths in _files(data).items()
    }


def identity(data: DataConfig) -> Any:
    """Returns what says that a source is the same as before, without reading it.

    Of files their paths, sizes and times, of the hub the revision, of `python_docs` the versions of
    what is read. Made of lists and strings, for JSON.
    """
    if data.source == "python_docs":
        return [FORMAT, data.source, python_docs_version()]
    if data.source == "hub":
        return [FORMAT, data.source, *hub.identity(data)]
    stamps = {split: [stamp(path) for path in paths] for split, paths in _files(data).items()}
    return [FORMAT, data.source, stamps]


def stamp(path: Path) -> list[str | int]:
    """Returns a file's absolute path, its size in bytes and its time in nanoseconds."""
    status = os.stat(path)
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


def _files(data: DataConfig) -> dict[str, list[Path]]:
    """Returns the files of each split that has files.

    Raises:
        UserError: A path means no file.
    """
    wanted = {"train": ("data.path", data.path)}
    for split, value in files.held_out(data).items():
        if isinstance(value, str):
            wanted[split] = (f"data.split.{split}", value)
    found: dict[str, list[Path]] = {}
    problems = []
    for split, (key, value) in wanted.items():
        try:
            found[split] = files.find(value or [], source=data.source, key=key)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return found


def _docstrings(num_proc: int | None) -> Iterator[str]:
    for entry in iter_docstrings(num_proc=num_proc):
        yield entry["text"]


def _documents(paths: list[Path], data: DataConfig) -> Iterator[str | None]:
    from tqdm import tqdm

    with tqdm(desc="reading", unit=" documents", disable=None, delay=2) as bar:
        for path in paths:
            for text in readers.texts(
                path, source=data.source, column=data.columns.text, unit=data.unit
            ):
                yield text
                bar.update()


def _kept(texts: Iterable[str | None], path: Path) -> Dataset:
    """Writes texts to an Arrow file, where an earlier run has not, and maps it into memory.

    `Dataset.from_generator` would do the same at a fifth of the speed, a record at a time.
    """
    import pyarrow as pa
    from datasets import Dataset

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema({"text": pa.large_string()})
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with open(unfinished, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
                for batch in batches(texts):
                    writer.write_table(pa.table({"text": batch}, schema=schema))
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return Dataset.from_file(str(path))


@contextmanager
def _bars_on_terminals_only() -> Iterator[None]:
    import datasets

    silence = not (sys.stderr.isatty() or datasets.are_progress_bars_disabled())
    if silence:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if silence:
            datasets.enable_progress_bars()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
