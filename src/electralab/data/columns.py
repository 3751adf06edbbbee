"""Finding the text of a record, and saying what is there where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from electralab.checking.nearest import nearest

KEY = "data.columns.text"


def lookup(record: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    """Returns whether a record has a column, as far as its nulls can tell, and its value.

    Args:
        record: Values by name; they may be records themselves, or lists of records.
        column: A name, or names with dots between from the outside in. A column whose own name has
            the dots comes first.
    """
    if column in record:
        return True, record[column]
    value: Any = record
    for name in column.split("."):
        if isinstance(value, list):
            value = [entry.get(name) for entry in value if isinstance(entry, Mapping)]
        elif isinstance(value, Mapping) and name in value:
            value = value[name]
        elif value is None:
            return True, None
        else:
            return False, None
    return True, value


def text_of(value: Any) -> str | None:
    """Returns a value as text: lists are joined by a blank, None stays.

    Raises:
        TypeError: The value is no text; the message says what it is.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return " ".join(part for part in map(text_of, value) if part)
    if isinstance(value, bool):
        raise TypeError("true or false")
    if isinstance(value, (int, float)):
        raise TypeError("a number")
    if isinstance(value, Mapping):
        raise TypeError(f"a record of {', '.join(map(str, value))}")
    raise TypeError(type(value).__name__)


def missing_column(column: str, names: Sequence[str], path: Path | str) -> str:
    """Returns the problem of a column that is not there, with those that are and the nearest."""
    near = nearest(column, names)
    hint = f" (did you mean {near}?)" if near else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return (
        f"`{KEY}` must be a column of {path}, but is {column} instead; it has {shown or 'none'}"
        f"{hint}."
    )


def not_text(column: str, found: str, path: Path | str, place: str = "") -> str:
    """Returns the problem of a column that holds something else than text."""
    where = f"{path}, {place}" if place else f"{path}"
    return f"`{KEY}` must be a column of text, but {column} of {where} holds {found}."
