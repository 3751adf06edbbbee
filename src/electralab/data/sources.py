"""Reading a data source: a 🤗 Dataset a split out, with a column for each part of an example."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import embedded, files, hub, moses, peek, readers
from electralab.data.batches import column_batches, together
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import DataConfig

HEAD = 1 << 22  # characters of a stream that are prepared before the training begins
FORMAT = 1  # goes up when reading gives other texts from the same source


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What a data source holds.

    Args:
        tables: ``train``, and ``validation`` and ``test`` where they are files or splits of their
            own. Each has one column a role, of its name: texts, in which None is an example
            without one, and under ``label`` the JSON of a value, None where there is none.
        label_names: The names of the classes in their order, where the source declares them.
    """

    tables: dict[str, Dataset]
    label_names: tuple[str, ...] | None


def read(data: DataConfig, *, columns: Mapping[str, str], cache_dir: Path) -> Documents:
    """Reads the examples of each split that is given by itself.

    Args:
        data: The configuration's `data` node.
        columns: The column of each role, as of `electralab.data.roles.columns`.
        cache_dir: What is read is kept below it, under ``datasets``, memory-mapped.

    Raises:
        UserError: A path, file or column is not as it should be; one line a problem.
    """
    problems = peek.problems(data, columns=columns)
    if problems:
        raise UserError(problems)
    folder = Path(cache_dir).absolute() / "datasets" / _digest([identity(data), data.unit])
    kept = folder / _digest([*columns.items(), *(["head"] if data.streaming else [])])
    if data.source == "hub":
        return _of_hub(data, columns, folder, kept)
    if data.source in embedded.COLUMNS:
        examples = embedded.examples(data.source, columns, num_proc=data.num_proc)
        parts = column_batches(examples, len(columns))
        tables = {"train": _kept(parts, list(columns), kept / "train.arrow")}
        return Documents(tables=tables, label_names=embedded.CLASSES.get(data.source))
    found, problems = files.by_split(data)
    if problems:
        raise UserError(problems)
    tables = {
        split: _kept(
            _head(_columns(paths, data, columns, files.key_of(split)), data),
            list(columns),
            kept / f"{split}.arrow",
        )
        for split, paths in found.items()
    }
    return Documents(tables=tables, label_names=None)


def stream(
    data: DataConfig, *, columns: Mapping[str, str], start: int
) -> Iterator[Sequence[str | None]]:
    """Yields the examples of the train split, one after the other, and holds none.

    Args:
        data: The configuration's `data` node.
        columns: The column of each role.
        start: So many are passed over.

    Raises:
        UserError: A file or column is not as it should be, with its place.
        RunFailure: The hub does not answer.
    """
    if data.source == "hub":
        return hub.stream(data, "train", columns=columns, start=start)
    found, problems = files.by_split(data)
    if problems:
        raise UserError(problems)
    parts = _columns(found["train"], data, columns, files.key_of("train"))
    examples = chain.from_iterable(zip(*part, strict=True) for part in parts)
    return islice(examples, start, None)


def _head(
    parts: Iterable[list[list[str | None]]], data: DataConfig
) -> Iterator[list[list[str | None]]]:
    """Yields what there is, of a stream the first `HEAD` characters, to a document."""
    left = HEAD
    for part in parts:
        if not data.streaming:
            yield part
            continue
        sizes = [sum(map(len, filter(None, texts))) for texts in zip(*part, strict=True)]
        enough = next((at for at, end in enumerate(accumulate(sizes), 1) if end >= left), None)
        yield [column[:enough] for column in part]
        left -= sum(sizes)
        if left <= 0:
            return


def identity(data: DataConfig) -> Any:
    """Returns what says that a source is the same as before, without reading it.

    Of files their paths, sizes and times, of the hub the revision, of embedded sources the versions
    of what is read. Made of lists and strings, for JSON.
    """
    if data.source in embedded.COLUMNS:
        return [FORMAT, data.source, embedded.version(data.source)]
    if data.source == "hub":
        return [FORMAT, data.source, *hub.identity(data)]
    found, problems = files.by_split(data)
    if problems:
        raise UserError(problems)
    stamps = {split: [stamp(path) for path in paths] for split, paths in found.items()}
    return [FORMAT, data.source, stamps]


def stamp(path: Path) -> list[str | int]:
    """Returns a file's absolute path, its size in bytes and its time in nanoseconds."""
    status = os.stat(path)
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


def _of_hub(data: DataConfig, columns: Mapping[str, str], folder: Path, kept: Path) -> Documents:
    name = data.name or ""
    if data.streaming:
        tables = {}
        for split in hub.wanted(data):
            rows = hub.stream(data, split, columns=columns, start=0)
            parts = _head(column_batches(rows, len(columns)), data)
            tables[split] = _kept(parts, list(columns), kept / f"{split}.arrow")
        return Documents(tables=tables, label_names=None)
    with _bars_on_terminals_only():
        loaded = hub.load(data, cache_dir=folder)
    tables = {}
    for split, table in loaded.items():
        selected = hub.select(table, columns, name=name)
        if selected is None:
            parts = column_batches(hub.examples(table, columns, name=name), len(columns))
            selected = _kept(parts, list(columns), kept / f"{split}.arrow")
        tables[split] = selected
    return Documents(tables=tables, label_names=hub.class_names(loaded["train"], columns))


def _columns(
    paths: list[Path], data: DataConfig, columns: Mapping[str, str], key: str
) -> Iterator[list[list[str | None]]]:
    if data.source == "moses":
        examples = moses.examples(paths, roles=list(columns), key=key)
        return column_batches(examples, len(columns))
    how = {"source": data.source, "columns": columns, "unit": data.unit}
    return together(chain.from_iterable(readers.columns_of(path, **how) for path in paths))


def _kept(parts: Iterable[list[list[str | None]]], roles: list[str], path: Path) -> Dataset:
    """Writes columns to an Arrow file, where an earlier run has not, and maps it into memory.

    `Dataset.from_generator` would do the same at a fifth of the speed, a record at a time.
    """
    import pyarrow as pa
    from datasets import Dataset
    from tqdm import tqdm

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema([(role, pa.large_string()) for role in roles])
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with (
                open(unfinished, "wb") as file,
                pa.ipc.new_stream(file, schema) as writer,
                tqdm(desc="reading", unit=" documents", disable=None, delay=2) as bar,
            ):
                for columns in parts:
                    writer.write_table(pa.table(columns, schema=schema))
                    bar.update(len(columns[0]))
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
