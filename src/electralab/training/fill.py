"""How much of the training batches is text rather than pads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from electralab.data.rows import EncodedRows

if TYPE_CHECKING:
    from electralab.training.trainer import ExperimentTrainer

BATCHES = 50  # of the first epoch that are looked at, evenly spaced


def fill_line(trainer: ExperimentTrainer) -> str | None:
    """Returns a line on how texts become batches and how full these are; of other tasks none.

    Args:
        trainer: As `build_trainer` makes it.
    """
    rows = trainer.train_dataset
    if not isinstance(rows, EncodedRows) or trainer._task.name != "classification":
        return None
    size = trainer._train_batch_size
    order = list(trainer._get_train_sampler(rows))
    count = -(-len(order) // size)
    real = padded = 0
    for number in np.linspace(0, count - 1, min(count, BATCHES)).astype(int):
        batch = order[number * size : (number + 1) * size]
        mask = trainer.data_collator([rows[index] for index in batch])["attention_mask"]
        real += int(mask.sum())
        padded += mask.numel()
    packed = trainer._task.data.packing == "separate"
    how = "several texts a row, kept apart" if packed else "of like lengths"
    return f"batches {how}: {100 * real / padded:.1f} % of their tokens are text, the rest pads"
