"""A first look at a data source, in a fraction of a second: is it there, and does it fit."""

from __future__ import annotations

import codecs
import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import embedded, files, lines, moses, parquet_reader, readers
from electralab.data.columns import lookup, missing_column, names
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import DataConfig

HEAD = 1 << 16  # bytes of a file that are looked at
JSON_HEAD = 1 << 20  # likewise, to find the end of the first record
COUNTED = 1 << 28  # bytes of aligned files whose lines are counted here; others when they are read
MOST_FILES = 200  # looked into; the others are looked at when they are read
TABLES = "csv, json, parquet or hub"


def problems(data: DataConfig, *, columns: Mapping[str, str]) -> list[str]:
    """Returns what is wrong with a data source as far as a look can tell, one line each.

    Paths, heads of files, names of columns; the texts themselves are judged when they are read.

    Args:
        data: The configuration's `data` node.
        columns: The column of each role that will be read.
    """
    found = []
    shares = [value for value in files.held_out(data).values() if not isinstance(value, str)]
    if sum(shares) >= 1:
        found.append(
            "`data.split.validation` and `data.split.test` must leave documents to train on, but "
            f"are {shares[0]} and {shares[1]}."
        )
    unfit = _roles(data.source, columns)
    if unfit:
        return [*found, unfit]
    if data.source in files.FILE_SOURCES:
        return [*found, *_of_files(data, columns)]
    if data.path is not None:
        found.append(
            f"`data.path` must be null where `data.source` is {data.source}, but is {data.path} "
            "instead; choose data=text, csv, json, parquet or moses to read it."
        )
    if data.source == "hub":
        return [*found, *_of_hub(data)]
    return [*found, *_of_embedded(data, columns)]


def _roles(source: str, columns: Mapping[str, str]) -> str | None:
    """Returns the problem of a source that has no columns, or others than are read."""
    read = " and ".join(columns)
    if source == "text" and list(columns) != ["text"]:
        aligned = ", or data=moses for two aligned files" if "target" in columns else ""
        return (
            f"`data.source` must have columns for {read}, but is text instead; choose data="
            f"{TABLES}{aligned}."
        )
    if source == "moses":
        if set(columns) == set(moses.ROLES):
            return None  # the columns are the endings of the files
        return (
            f"`data.source` must have columns for {read}, but is moses instead, a source and a "
            "target; choose task=translation, or data=text for one of the files."
        )
    seen: dict[str, str] = {}
    for role, column in columns.items():
        if column in seen:
            return (
                f"`data.columns.{role}` must be another column than `data.columns.{seen[column]}`, "
                f"but is {column} too."
            )
        seen[column] = role
    return None


def _of_embedded(data: DataConfig, columns: Mapping[str, str]) -> Iterator[str]:
    try:
        embedded.version(data.source)
    except UserError as error:
        yield from error.problems
    for role, column in columns.items():
        if column not in embedded.COLUMNS[data.source]:
            there = embedded.COLUMNS[data.source]
            yield missing_column(column, there, f"data={data.source}", role=role)
    for split, value in files.held_out(data).items():
        if isinstance(value, str):
            yield (
                f"`data.split.{split}` must be a share or null where `data.source` is "
                f"{data.source}, but is {value} instead."
            )


def _of_hub(data: DataConfig) -> list[str]:
    if not data.name:
        return ["`data.name` must be set to a data set of the hub or a folder, but is null."]
    if files.looks_like_a_path(data.name) and not os.path.isdir(os.path.expanduser(data.name)):
        return [
            f"`data.name` must be a data set of the hub or a folder that exists, but {data.name} "
            "does not."
        ]
    return []


def _of_files(data: DataConfig, columns: Mapping[str, str]) -> list[str]:
    found = []
    if data.path is None:
        found.append(f"`data.path` must be set where `data.source` is {data.source}, but is null.")
    if data.name is not None:
        found.append(
            f"`data.name` must be null where `data.source` is {data.source}, but is {data.name} "
            "instead; choose data=hub to read it."
        )
    paths, missing = files.by_split(data)
    found += missing
    for split, of_split in paths.items():
        key = files.key_of(split)
        looked = []
        for path in of_split[:MOST_FILES]:
            looked += _of_file(path, source=data.source, columns=columns, key=key)
        size = sum(path.stat().st_size for path in of_split)
        if data.source == "moses" and not looked and size <= COUNTED:
            try:
                uneven = moses.uneven(of_split, key=key)
                looked += [uneven] if uneven else []
            except UserError as error:  # compressed and damaged
                looked += error.problems
        found += looked
    return found


def _of_file(path: Path, *, source: str, columns: Mapping[str, str], key: str) -> list[str]:
    try:
        with open(path, "rb") if source == "parquet" else lines.opened(path) as file:
            head = file.read(JSON_HEAD if source == "json" else HEAD)
            complete = not file.read(1)
    except UserError as error:
        return error.problems
    except OSError as error:
        return [f"`{key}` must be a file that can be read, but {path} cannot: {error.strerror}."]
    if not head:
        return [f"`{key}` must be a file with text, but {path} is empty."]
    try:
        if source == "parquet":
            with parquet_reader.opened(path) as file:
                parquet_reader.tops_of(file, columns, path)
            return []
        text = _decoded(path, head, complete)
        if not text.strip() and complete:
            return [f"`{key}` must be a file with text, but {path} has only blanks."]
        return [
            missing_column(column, there, path, role=role)
            for role, column, there in _absent(path, text, source, columns)
        ]
    except UserError as error:
        return error.problems
    except (csv.Error, StopIteration):  # said with its row when the file is read
        return []


def _absent(
    path: Path, text: str, source: str, columns: Mapping[str, str]
) -> list[tuple[str, str, list[str]]]:
    """Returns role and name of the columns that a file does not have, and those it has."""
    if source == "csv":
        header = next(row for row in csv.reader(_lines(text), **readers.dialect(path)) if row)
        return [(role, name, header) for role, name in columns.items() if name not in header]
    record = _first_record(text) if source == "json" else None
    if not isinstance(record, dict):
        return []
    there = names(record)
    return [(role, name, there) for role, name in columns.items() if not lookup(record, name)[0]]


def _decoded(path: Path, head: bytes, complete: bool) -> str:
    if b"\0" in head:
        raise UserError(lines.binary(path, head.count(b"\n", 0, head.index(b"\0")) + 1))
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError as error:
        line = head.count(b"\n", 0, error.start) + 1
        raise UserError(lines.not_utf8(path, line, error.start + 1, head[error.start])) from None
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
