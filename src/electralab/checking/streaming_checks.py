"""What a stream cannot be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from electralab.config import Stage

SOURCES = ("text", "csv", "json", "parquet", "hub")
TASKS = ("rtd", "mlm")
KEYS = (
    *("data.streaming", "data.source", "data.limit", "data.clean.drop_duplicates", "task.name"),
    "trainer.max_steps",
)


def streaming_problems(config: Stage) -> Iterator[str]:
    """Yields a line for each key that does not go with `data.streaming`."""
    data = config.data
    if not data.streaming:
        return
    if config.task.name not in TASKS:
        yield (
            "`data.streaming` must be false unless `task.name` is rtd or mlm, but is true with "
            f"{config.task.name}."
        )
    if data.source not in SOURCES:
        yield (
            f"`data.streaming` must be false unless `data.source` is one of {', '.join(SOURCES)}, "
            f"but is true with {data.source}."
        )
    steps = config.trainer.get("max_steps")
    if not isinstance(steps, int) or steps < 1:
        yield (
            "`trainer.max_steps` must be at least 1 where `data.streaming` is true, for how long "
            f"an epoch is shows at its end, but is {steps} instead."
        )
    if getattr(config.task, "phases", None):
        yield (
            "`task.phases` must be null where `data.streaming` is true, for rows of another length "
            "would be made anew from the beginning."
        )
    if data.clean.drop_duplicates:
        yield (
            "`data.clean.drop_duplicates` must be false where `data.streaming` is true, for it "
            "compares all texts, but is true instead."
        )
    if data.limit is not None:
        yield (
            "`data.limit` must be null where `data.streaming` is true, but is "
            f"{data.limit} instead; `trainer.max_steps` says how much is read."
        )
