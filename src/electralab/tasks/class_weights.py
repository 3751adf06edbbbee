"""How much each class counts in the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from electralab.errors import UserError


def class_weights(
    wanted: str | Sequence[float] | None, *, counts: np.ndarray, names: Sequence[str]
) -> np.ndarray | None:
    """Returns the weight of each class, of shape ``(classes,)``; none where all count alike.

    Args:
        wanted: As `task.class_weights`: ``balanced`` gives every class the same total, rows /
            (classes · rows of the class) each; else a weight a class.
        counts: Rows of each class in the train split, of shape ``(classes,)``.
        names: Of the classes.

    Raises:
        UserError: There are no rows to balance a class by.
    """
    if wanted is None:
        return None
    if wanted != "balanced":
        return np.array(wanted, dtype=np.float64)
    if not counts.all():
        name = names[int(np.flatnonzero(counts == 0)[0])]
        raise UserError(
            "`task.class_weights` must not be balanced where a class has no rows, but the train "
            f"split has none of {name!r}; give a list of weights, or leave the class out of "
            "`task.labels`."
        )
    return counts.sum() / (len(counts) * counts.astype(np.float64))
