"""`task.phases`: a training that begins on short rows, step by step, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from electralab.config import Stage

KEYS = (
    *("task.name", "task.phases", "data.max_length", "trainer.max_steps"),
    *("trainer.eval_strategy", "trainer.save_strategy", "trainer.logging_strategy"),
)
_STRATEGIES = ("eval_strategy", "save_strategy", "logging_strategy")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a training whose rows have one length.

    Attributes:
        length: Tokens of a row.
        steps: Optimiser steps.
        batch_size: Rows in a batch of one device, so many that it has as many tokens as one of the
            configured number of rows of `data.max_length`.
    """

    length: int
    steps: int
    batch_size: int


def plan(config: Stage) -> list[Phase]:
    """Returns the phases of a training in their order; none: it has one length.

    Args:
        config: A checked configuration.
    """
    phases = getattr(config.task, "phases", None) or []
    longest, steps = config.data.max_length, config.trainer.get("max_steps", -1)
    size = config.trainer.get("per_device_train_batch_size", 8)
    found: list[Phase] = []
    share = done = 0.0
    for phase in phases:
        share += phase.share
        end = steps if phase is phases[-1] else round(steps * share)
        rows = size * longest // phase.length
        found.append(Phase(length=phase.length, steps=int(end - done), batch_size=rows))
        done = end
    return found


def in_words(phases: list[Phase]) -> list[str]:
    """Returns a line for each phase.

    Example:
        >>> in_words([Phase(length=128, steps=900, batch_size=512)])
        ['phase 1  900 steps, batches of 512 rows of 128 tokens']
    """
    return [
        f"phase {number}  {phase.steps:,} steps, batches of {phase.batch_size:,} rows of "
        f"{phase.length:,} tokens"
        for number, phase in enumerate(phases, 1)
    ]


def phase_problems(config: Stage) -> Iterator[str]:
    """Yields a line for everything about phases that cannot work.

    Args:
        config: A typed configuration.
    """
    phases = getattr(config.task, "phases", None)
    if not phases:
        return
    longest, steps = config.data.max_length, config.trainer.get("max_steps", -1)
    for number, phase in enumerate(phases):
        if phase.length > longest:
            yield (
                f"`task.phases.{number}.length` must be at most `data.max_length`, {longest}, but "
                f"is {phase.length} instead."
            )
    together = sum(phase.share for phase in phases)
    if abs(together - 1) > 1e-6:
        yield f"`task.phases` must have shares that are 1 together, but they are {together:g}."
    if not isinstance(steps, int) or steps <= 0:
        yield (
            "`trainer.max_steps` must be set with `task.phases`, whose shares are those of the "
            f"steps, but is {steps} instead."
        )
    elif any(phase.steps < 1 for phase in plan(config)):
        yield (
            f"`trainer.max_steps` must give each of the `task.phases` a step at least, but is "
            f"{steps} instead."
        )
    for name in _STRATEGIES:
        if config.trainer.get(name) == "epoch":
            yield (
                f"`trainer.{name}` must be steps or no with `task.phases`, which know no epochs in "
                "common, but is epoch instead."
            )
