"""What `data.packing` cannot be together with other keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from electralab.config import Stage

KEYS = ("task.name", "data.packing", "model.attention")


def packing_problems(config: Stage) -> Iterator[str]:
    """Yields a line for texts that are to be kept apart where they cannot.

    Args:
        config: A typed configuration.
    """
    if config.data.packing != "separate":
        return
    if config.task.name == "translation":
        yield (
            "`data.packing` must be concat or none with task=translation, whose examples have rows "
            "of their own, but is separate instead."
        )
    if config.model.attention == "flash_attention_2":
        yield (
            "`model.attention` must be sdpa, flex_attention, eager or null with "
            "data.packing=separate, whose mask flash_attention_2 does not read."
        )
