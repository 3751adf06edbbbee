"""A first look at a data source, in a fraction of a second: is it there, and does it fit."""

from __future__ import annotations

import codecs
import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import files, readers
from electralab.data.columns import lookup, missing_column
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import DataConfig

HEAD = 1 << 16  # bytes of a file that are looked at
JSON_HEAD = 1 << 20  # likewise, to find the end of the first record
MOST_FILES = 200  # looked into; the others are looked at when they are read


def problems(data: DataConfig) -> list[str]:
    """Returns what is wrong with a data source as far as a look can tell, one line each.

    Paths, heads of files, names of columns; the texts themselves are judged when they are read.

    Args:
        data: The configuration's `data` node.
    """
    found = []
    shares = [value for value in files.held_out(data).values() if not isinstance(value, str)]
    if sum(shares) >= 1:
        found.append(
            "`data.split.validation` and `data.split.test` must leave documents to train on, but "
            f"are {shares[0]} and {shares[1]}."
        )
    if data.source in files.FILE_SOURCES:
        return found + _of_files(data)
    if data.path is not None:
        found.append(
            f"`data.path` must be null where `data.source` is {data.source}, but is {data.path} "
            "instead; choose data=text, csv, json or parquet to read it."
        )
    if data.source == "hub":
        return found + _of_hub(data)
    return found + [
        f"`data.split.{split}` must be a share or null where `data.source` is {data.source}, but "
        f"is {value} instead."
        for split, value in files.held_out(data).items()
        if isinstance(value, str)
    ]


def _of_hub(data: DataConfig) -> list[str]:
    if not data.name:
        return ["`data.name` must be set to a data set of the hub or a folder, but is null."]
    if files.looks_like_a_path(data.name) and not os.path.isdir(os.path.expanduser(data.name)):
        return [
            f"`data.name` must be a data set of the hub or a folder that exists, but {data.name} "
            "does not."
        ]
    return []


def _of_files(data: DataConfig) -> list[str]:
    found = []
    if data.path is None:
        found.append(f"`data.path` must be set where `data.source` is {data.source}, but is null.")
    if data.name is not None:
        found.append(
            f"`data.name` must be null where `data.source` is {data.source}, but is {data.name} "
            "instead; choose data=hub to read it."
        )
    wanted: dict[str, Any] = {"data.path": data.path}
    for split, value in files.held_out(data).items():
        if isinstance(value, str):
            wanted[f"data.split.{split}"] = value
    for key, value in wanted.items():
        try:
            paths = files.find(value or [], source=data.source, key=key)
        except UserError as error:
            found += error.problems
            continue
        for path in paths[:MOST_FILES]:
            found += _of_file(path, source=data.source, column=data.columns.text, key=key)
    return found


def _of_file(path: Path, *, source: str, column: str, key: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            head = file.read(JSON_HEAD if source == "json" else HEAD)
            complete = not file.read(1)
    except OSError as error:
        return [f"`{key}` must be a file that can be read, but {path} cannot: {error.strerror}."]
    if not head:
        return [f"`{key}` must be a file with text, but {path} is empty."]
    try:
        if source == "parquet":
            _parquet_column(path, column)
            return []
        text = _decoded(path, head, complete)
        if not text.strip() and complete:
            return [f"`{key}` must be a file with text, but {path} has only blanks."]
        if source == "csv":
            names = next(row for row in csv.reader([*_lines(text)], **readers.dialect(path)) if row)
            if column not in names:
                return [missing_column(column, names, path)]
        elif source == "json":
            record = _first_record(text)
            if isinstance(record, dict) and not lookup(record, column)[0]:
                return [missing_column(column, readers.names(record), path)]
    except UserError as error:
        return error.problems
    except (csv.Error, StopIteration):  # said with its row when the file is read
        return []
    return []


def _decoded(path: Path, head: bytes, complete: bool) -> str:
    if b"\0" in head:
        raise UserError(readers.binary(path, head.count(b"\n", 0, head.index(b"\0")) + 1))
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise UserError(readers.not_utf8(path, line, error.start + 1, head[error.start])) from None
    return text.removeprefix("\ufeff")


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")]


def _first_record(text: str) -> Any:
    """Returns the first record of JSON lines or of a JSON list, None if it does not end here."""
    start = text.lstrip().removeprefix("[").lstrip()
    try:
        return json.JSONDecoder().raw_decode(start)[0]
    except (ValueError, RecursionError):
        return None  # broken or long; said with its line when the file is read


def _parquet_column(path: Path, column: str) -> None:
    with readers.parquet(path) as file:
        readers.parquet_column(file, column, path)
