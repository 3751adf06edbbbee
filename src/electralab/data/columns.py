"""Finding the parts of an example in a record, and saying what is there where one is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from electralab.checking.nearest import nearest
from electralab.data.lines import encodable
from electralab.errors import UserError

LABEL = "label"  # the role that holds a value; all others hold text
KINDS = "text, a number, true or false, or a list of those"


def lookup(record: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    """Returns whether a record has a column, as far as its nulls can tell, and its value.

    Args:
        record: Values by name; they may be records themselves, or lists of records.
        column: A name, or names with dots between from the outside in. A column whose own name has
            the dots comes first. A name that is not at the top is found where exactly one record
            has it: ``en`` means ``translation.en`` where nothing else holds an ``en``.
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
            return _inside(record, column)
    return True, value


def _inside(record: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    found = [
        value[column] for value in record.values() if isinstance(value, Mapping) and column in value
    ]
    return (True, found[0]) if len(found) == 1 else (False, None)


def top_of(column: str, fields: Mapping[str, Sequence[str]]) -> str | None:
    """Returns the column at the top of a table in which `lookup` will find a column, if any does.

    Args:
        column: As in `lookup`.
        fields: The names that each column at the top has inside; none where it is no record.
    """
    top = column if column in fields else column.split(".")[0]
    if top in fields:
        return top
    found = [name for name, inner in fields.items() if column in inner]
    return found[0] if len(found) == 1 else None


def nested(fields: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the names of a table's columns, those inside of records dotted."""
    return [
        name
        for top, inner in fields.items()
        for name in ([f"{top}.{each}" for each in inner] or [top])
    ]


def names(record: Mapping[str, Any], depth: int = 5) -> list[str]:
    """Returns the names of a record's columns, nested ones dotted, down to some depth."""
    found = []
    for name, value in record.items():
        inner = names(value, depth - 1) if isinstance(value, Mapping) and depth else []
        found += [f"{name}.{each}" for each in inner] or [name]
    return found


def example(
    record: Mapping[str, Any],
    columns: Mapping[str, str],
    *,
    path: Path | str,
    place: tuple[str, int],
    optional: bool = False,
) -> list[str | None]:
    """Returns the parts of a record, in the order of the roles.

    Args:
        record: Values by name.
        columns: The column of each role.
        path: Where the record stands, for messages.
        place: What it is called there and its number, such as ``("line", 7)``.
        optional: Whether a missing column is a null, as others have had it.

    Raises:
        UserError: A column is missing, or holds what its role cannot be.
    """
    parts = []
    for role, column in columns.items():
        present, value = lookup(record, column)
        if not present and not optional:
            raise UserError(missing_column(column, names(record), path, role=role))
        try:
            parts.append(reader(role)(value))
        except TypeError as error:
            found = str(error)
        except RecursionError:
            found = "lists that are nested too deeply"
        else:
            continue
        raise UserError(unfit(column, found, f"{path}, {place[0]} {place[1]}", role=role))
    return parts


def reader(role: str) -> Callable[[Any], str | None]:
    """Returns what turns a value into the text that a table holds for a role."""
    return label_of if role == LABEL else text_of


def text_of(value: Any) -> str | None:
    """Returns a value as text: lists are joined by a blank, None stays.

    Raises:
        TypeError: The value is no text; the message says what it is.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.isascii() else encodable(value)
    if isinstance(value, (list, tuple)):
        return " ".join(part for part in map(text_of, value) if part)
    raise TypeError(_kind(value))


def label_of(value: Any) -> str | None:
    """Returns the JSON of a label: text, a number, true or false, or a list of those.

    None stays, and so does a number that is none (NaN), which tables write for a missing one.

    Raises:
        TypeError: The value is no label; the message says what it is.
    """
    if value is None or value != value:
        return None
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(part, (str, bool, int, float)):
            raise TypeError("a list with null" if part is None else _kind(part))
    return encodable(json.dumps(value, ensure_ascii=False))


def missing_column(column: str, names: Sequence[str], path: Path | str, *, role: str) -> str:
    """Returns the problem of a column that is not there, with those that are and the nearest."""
    near = nearest(column, names)
    hint = f" (did you mean {near}?)" if near else ""
    short = [name if len(name) < 60 else f"{name[:59]}…" for name in names[:12]]
    shown = ", ".join(short) + (", …" if len(names) > 12 else "")
    return (
        f"`data.columns.{role}` must be a column of {path}, but is {column} instead; it has "
        f"{shown or 'none'}{hint}."
    )


def unfit(column: str, found: str, where: Path | str, *, role: str) -> str:
    """Returns the problem of a column that holds what its role cannot be."""
    wanted = f"a column of labels ({KINDS})" if role == LABEL else "a column of text"
    return f"`data.columns.{role}` must be {wanted}, but {column} of {where} holds {found}."


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, Mapping):
        return f"a record of {', '.join(map(str, value))}"
    if isinstance(value, (list, tuple)):
        return "a list"
    return type(value).__name__
