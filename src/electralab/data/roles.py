"""Which columns of a table a task reads, and what each is to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from electralab.config import DataConfig

TEXTS = ("text", "text_pair", "source", "target")  # the roles that hold text; `label` holds a value


def columns(task: str, data: DataConfig) -> dict[str, str]:
    """Returns the column of each role that a task reads, as in ``{"text": "sen"}``.

    Args:
        task: Name of the task.
        data: The configuration's `data` node.
    """
    given = data.columns
    if task == "translation":
        return {"source": given.source, "target": given.target}
    if task != "classification":
        return {"text": given.text}
    pair = {} if given.text_pair is None else {"text_pair": given.text_pair}
    return {"text": given.text, **pair, "label": given.label}
