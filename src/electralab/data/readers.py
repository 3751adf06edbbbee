"""The examples of a file, one after the other; a mistake is one line with its place."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from electralab.data import json_reader, parquet_reader
from electralab.data.batches import column_batches
from electralab.data.columns import LABEL, label_of, missing_column, unfit
from electralab.data.lines import blocks, lines, opened, plain
from electralab.errors import UserError

NUMBERS_SEEN = 1000  # rows of a csv that must all be numbers before a column of text is refused


def examples(
    path: Path, *, source: str, columns: Mapping[str, str], unit: str
) -> Iterator[list[str | None]]:
    """Yields the parts of each example of a file, in the order of the roles.

    Args:
        path: The file.
        source: ``text``, ``csv``, ``json`` or ``parquet``.
        columns: The column of each role, nested as ``answers.text``.
        unit: Of text files, ``line`` or ``file``: what is one document.

    Yields:
        Texts, and the JSON of a label; None where the file has none.

    Raises:
        UserError: The file is no UTF-8, has rows of different lengths, broken JSON, no such column,
            a column that cannot be what its role is, or is damaged.
    """
    if source == "text":
        return _text(path, unit)
    if source == "csv":
        return _csv(path, columns)
    if source == "json":
        return json_reader.examples(path, columns)
    return parquet_reader.examples(path, columns)


def columns_of(
    path: Path, *, source: str, columns: Mapping[str, str], unit: str
) -> Iterator[list[list[str | None]]]:
    """Yields the same as columns, many examples at a time."""
    if source != "text" or unit != "line":
        return column_batches(
            examples(path, source=source, columns=columns, unit=unit), len(columns)
        )
    return _lines(path)


def dialect(path: Path) -> dict[str, Any]:
    """Returns how the csv module should read a file: its separator follows from its ending."""
    if plain(path).suffix.lower() in (".tsv", ".txt"):
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE}  # quotes there are mostly stray
    return {"delimiter": ",", "strict": True}


def _text(path: Path, unit: str) -> Iterator[list[str | None]]:
    if unit == "file":
        yield ["".join(lines(path))]
        return
    for line in lines(path):
        yield [line.rstrip("\r\n")]


def _lines(path: Path) -> Iterator[list[list[str | None]]]:
    with opened(path) as file:
        for block in blocks(file, path, ends=False):
            yield [block]


def _csv(path: Path, columns: Mapping[str, str]) -> Iterator[list[str | None]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a document may be longer than 128 kB
    rows = csv.reader(lines(path), **dialect(path))
    header: list[str] = []
    before = 0
    try:
        for header in rows:
            if header:
                break
        absent = [
            missing_column(column, header, path, role=role)
            for role, column in columns.items()
            if column not in header
        ]
        if header and absent:
            raise UserError(absent)
        for role, column in columns.items():
            if header.count(column) > 1:
                raise UserError(
                    f"`data.columns.{role}` must be one column of {path}, but "
                    f"{header.count(column)} are called {column}; rename the others."
                )
        at = [(role, header.index(column)) for role, column in columns.items() if header]
        numbers = _Numbers(path, columns)
        before = rows.line_num
        for row in rows:
            first, before = before + 1, rows.line_num
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}, {_rows(first, rows.line_num)}: a row must have {len(header)} fields "
                    f"like the first, but has {len(row)}."
                )
            example = [
                (label_of(row[index] or None) if role == LABEL else row[index])
                for role, index in at
            ]
            numbers.see(example)
            yield example
        numbers.end()
    except csv.Error as error:
        raise UserError(
            f"{path}, {_rows(before + 1, rows.line_num)}: the file must be proper CSV, but: "
            f"{str(error).partition(' - ')[0]}."  # what follows speaks to programmers
        ) from None


def _rows(first: int, last: int) -> str:
    """Returns where a row stands, which has several lines after a stray quote."""
    return f"row {first}" if first == last else f"rows {first} to {last}"


class _Numbers:
    """Refuses a column of text in which the first fields are all numbers."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self.path = path
        self.columns = list(columns.items())
        self.suspects = [at for at, role in enumerate(columns) if role != LABEL]
        self.seen = 0

    def see(self, example: list[str | None]) -> None:
        if self.suspects and self.seen < NUMBERS_SEEN:
            self.suspects = [at for at in self.suspects if _is_number(example[at] or "")]
            self.seen += 1
            if self.seen == NUMBERS_SEEN:
                self.end()

    def end(self) -> None:
        if self.seen and self.suspects:
            role, column = self.columns[self.suspects[0]]
            raise UserError(unfit(column, "numbers", self.path, role=role))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
