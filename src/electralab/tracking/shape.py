"""What an entry of a journal looks like; a folder, and so a journal, can come from anywhere."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, NonNegativeInt, StringConstraints, ValidationError

Entry = dict[str, Any]


class _Shape(BaseModel, strict=True):
    sent: NonNegativeInt = 0
    run_id: Annotated[str, StringConstraints(pattern=r"^\w+$")] = ""  # part of a file's name
    store: dict[str, str] = {}
    points: list[tuple[str, float, int, int]] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    untag: list[str] = []
    text: str = ""
    file: str = ""
    to: str | None = None
    status: str = ""
    at: int = 0


def parsed(line: bytes) -> Entry:
    """Returns the entry in a line; empty: it was cut off in the middle, or is none of ours."""
    try:
        entry = _Shape.model_validate_json(line).model_dump(exclude_unset=True)
    except ValidationError:
        return {}
    is_half = ("run_id" in entry) != ("store" in entry) or ("text" in entry and not entry.get("to"))
    return {} if is_half else entry
