"""What the keys of `task=mlm` cannot say together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from electralab.schema import Section

KEYS = ("task.name", "task.mask_share", "task.random_share")


def mlm_problems(task: Section) -> Iterator[str]:
    """Yields a line for shares of the chosen tokens that do not add up.

    Args:
        task: The configuration's `task` node; one of another task has no problems.
    """
    if task.name != "mlm":
        return
    together = task.mask_share + task.random_share
    if together > 1 + 1e-9:  # .7 + .3 may be a little more than 1
        yield (
            "`task.mask_share` and `task.random_share` must be at most 1 together, but are "
            f"{task.mask_share:g} and {task.random_share:g} instead; the rest stays as it is."
        )
    elif together == 0:
        yield (
            "`task.mask_share` and `task.random_share` must not both be 0: the model would be "
            "asked for tokens that it sees."
        )
