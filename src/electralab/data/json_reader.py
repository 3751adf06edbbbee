"""The examples of JSON lines, or of a file that is one JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from electralab.data.columns import example
from electralab.data.lines import lines
from electralab.errors import UserError, one_line


def examples(path: Path, columns: Mapping[str, str]) -> Iterator[list[str | None]]:
    """Yields the parts of each record, as `electralab.data.readers.examples`.

    A column that the first record has may be missing in later ones.
    """
    head = next((line for line in lines(path) if line.strip()), "").lstrip()
    if head.startswith("["):
        records: Iterator[tuple[int, Any]] = enumerate(_list(path), start=1)
        unit = "record"
    else:
        records = _lines(path)
        unit = "line"
    known = False
    for number, record in records:
        if not isinstance(record, dict):
            raise UserError(
                f"{path}, {unit} {number}: a record must be an object with named columns, but is "
                f"a JSON {_type(record)}."
            )
        yield example(record, columns, path=path, place=(unit, number), optional=known)
        known = True


def _list(path: Path) -> list:
    try:
        return json.loads("".join(lines(path)))
    except (ValueError, RecursionError) as error:
        raise UserError(_broken(path, getattr(error, "lineno", 1), error)) from None


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(_broken(path, number, error)) from None
        yield number, record


def _broken(path: Path, line: int, error: Exception) -> str:
    column, why = "", one_line(error)
    if isinstance(error, json.JSONDecodeError):
        column, why = f", column {error.colno}", error.msg
    elif isinstance(error, RecursionError):
        why = "it is nested too deeply"
    return f"{path}, line {line}{column}: the file must be JSON lines or one JSON list, but: {why}."


def _type(value: object) -> str:
    return {list: "list", str: "string", bool: "boolean", type(None): "null"}.get(
        type(value), "number"
    )
