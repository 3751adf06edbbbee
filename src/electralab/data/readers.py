"""The text of a file's documents, one after the other; a mistake is one line with its place."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from electralab.data.columns import lookup, missing_column, not_text, text_of
from electralab.errors import UserError, one_line

NUMBERS_SEEN = 1000  # rows of a csv that must all be numbers before its column is refused
PARQUET_ROWS = 256  # read in one go


def texts(path: Path, *, source: str, column: str, unit: str) -> Iterator[str | None]:
    """Yields the text of each document of a file; None where the file has none.

    Args:
        path: The file.
        source: ``text``, ``csv``, ``json`` or ``parquet``.
        column: Where the text of a record stands, nested as ``answers.text``.
        unit: Of text files, ``line`` or ``file``: what is one document.

    Raises:
        UserError: The file is no UTF-8, has rows of different lengths, broken JSON, no such column,
            a column that is no text, or is damaged.
    """
    if source == "text":
        documents = _text(path, unit)
    elif source == "csv":
        documents = _csv(path, column)
    elif source == "json":
        documents = _json(path, column)
    else:
        documents = _parquet(path, column)
    for document in documents:
        yield document if document is None or document.isascii() else _encodable(document)


def lines(path: Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 file with their ends; a byte order mark is left out.

    Raises:
        UserError: The file is binary or no UTF-8, with the line and the byte where it goes wrong.
    """
    with open(path, "rb") as file:
        position = 0
        for number, line in enumerate(file, start=1):
            if b"\0" in line:
                raise UserError(binary(path, number))
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = position + error.start + 1
                raise UserError(not_utf8(path, number, byte, line[error.start])) from None
            position += len(line)
            yield text.removeprefix("\ufeff") if number == 1 else text


def binary(path: Path, line: int) -> str:
    """Returns the problem of a file that is no text."""
    return (
        f"{path}, line {line}: the file must be UTF-8 text, but holds a NUL byte, as binary files "
        "and UTF-16 do; save it as UTF-8."
    )


def not_utf8(path: Path, line: int, byte: int, value: int) -> str:
    """Returns the problem of a byte that is no UTF-8; lines and bytes count from 1."""
    return (
        f"{path}, line {line}, byte {byte}: the file must be UTF-8, but holds 0x{value:02x} here; "
        "save it as UTF-8."
    )


def dialect(path: Path) -> dict[str, Any]:
    """Returns how the csv module should read a file: its separator follows from its ending."""
    if path.suffix.lower() in (".tsv", ".txt"):
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE}  # quotes there are mostly stray
    return {"delimiter": ",", "strict": True}


def _text(path: Path, unit: str) -> Iterator[str]:
    if unit == "file":
        yield "".join(lines(path))
        return
    for line in lines(path):
        yield line.rstrip("\r\n")


def _csv(path: Path, column: str) -> Iterator[str | None]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a document may be longer than 128 kB
    rows = csv.reader(lines(path), **dialect(path))
    header: list[str] = []
    numbers = seen = 0
    try:
        for row in rows:
            if not row:
                continue
            if not header:
                header = row
                if column not in header:
                    raise UserError(missing_column(column, header, path))
                index = header.index(column)
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}, row {rows.line_num}: a row must have {len(header)} fields like the "
                    f"first, but has {len(row)}."
                )
            if numbers == seen < NUMBERS_SEEN:
                numbers += _is_number(row[index])
                seen += 1
                if numbers == seen == NUMBERS_SEEN:
                    raise UserError(not_text(column, "numbers", path))
            yield row[index]
    except csv.Error as error:
        raise UserError(
            f"{path}, row {rows.line_num}: the file must be proper CSV, but: {error}."
        ) from None
    if seen and numbers == seen:
        raise UserError(not_text(column, "numbers", path))


def _json(path: Path, column: str) -> Iterator[str | None]:
    head = ""
    for line in lines(path):
        head = line.strip()
        if head:
            break
    if head.startswith("["):
        records = enumerate(_json_list(path), start=1)
        place = "record"
    else:
        records = _json_lines(path)
        place = "line"
    known = False
    for number, record in records:
        if not isinstance(record, dict):
            raise UserError(
                f"{path}, {place} {number}: a record must be an object with named columns, but is "
                f"a JSON {_json_type(record)}."
            )
        present, value = lookup(record, column)
        if not present and not known:
            raise UserError(missing_column(column, names(record), path))
        known = True
        try:
            yield text_of(value)
        except TypeError as error:
            raise UserError(not_text(column, str(error), path, f"{place} {number}")) from None
        except RecursionError:
            found = "lists that are nested too deeply"
            raise UserError(not_text(column, found, path, f"{place} {number}")) from None


def _json_list(path: Path) -> list:
    try:
        return json.loads("".join(lines(path)))
    except (ValueError, RecursionError) as error:
        raise UserError(_bad_json(path, getattr(error, "lineno", 1), error)) from None


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(_bad_json(path, number, error)) from None
        yield number, record


def _bad_json(path: Path, line: int, error: Exception) -> str:
    column, why = "", one_line(error)
    if isinstance(error, json.JSONDecodeError):
        column, why = f", column {error.colno}", error.msg
    elif isinstance(error, RecursionError):
        why = "it is nested too deeply"
    return f"{path}, line {line}{column}: the file must be JSON lines or one JSON list, but: {why}."


@contextmanager
def parquet(path: Path) -> Iterator[Any]:
    """Opens a Parquet file; whatever is wrong with it becomes one line.

    Raises:
        UserError: The file is no Parquet or is damaged, at once or while it is read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        message = (str(error).strip().splitlines() or ["it is damaged"])[0].rstrip(".")
        raise UserError(f"{path}: the file must be Parquet, but: {message}.") from None


def parquet_column(file: Any, column: str, path: Path) -> str:
    """Returns the top-level column of a Parquet file to read for a possibly nested one.

    Raises:
        UserError: There is no such column, or its schema says that it is no text.
    """
    import pyarrow as pa

    schema = file.schema_arrow
    top = column if column in schema.names else column.split(".")[0]
    if top not in schema.names:
        raise UserError(missing_column(column, schema.names, path))
    kind = schema.field(top).type
    plain = pa.types.is_primitive(kind) or pa.types.is_binary(kind)
    if plain and not pa.types.is_null(kind):
        raise UserError(not_text(column, str(kind), path))
    return top


def _parquet(path: Path, column: str) -> Iterator[str | None]:
    row = 0
    with parquet(path) as file:
        top = parquet_column(file, column, path)
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=[top]):
            for record in batch.to_pylist():
                row += 1
                present, value = lookup(record, column)
                if not present:
                    raise UserError(missing_column(column, names(record), path))
                try:
                    yield text_of(value)
                except TypeError as error:
                    raise UserError(not_text(column, str(error), path, f"row {row}")) from None


def names(record: dict) -> list[str]:
    """Returns the names of a record's columns, nested ones dotted."""
    found = []
    for name, value in record.items():
        nested = names(value) if isinstance(value, dict) else []
        found += [f"{name}.{inner}" for inner in nested] or [name]
    return found


def _json_type(value: object) -> str:
    return {list: "list", str: "string", bool: "boolean", type(None): "null"}.get(
        type(value), "number"
    )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _encodable(text: str) -> str:
    """Returns a text without lone surrogates, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "ignore").decode("utf-8")
    return text
