"""What a configuration says that cannot work, found before anything is loaded.

Each function looks at a few keys and yields a line a problem; `problems` asks all of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from electralab import trainer_args
from electralab.model_checks import model_problems

if TYPE_CHECKING:
    from electralab.config import Config, DataConfig


def problems(config: Config) -> list[str]:
    """Checks keys against one another, against files, and against the machine.

    Loads no model and no data set, and makes nothing.

    Args:
        config: A typed configuration.

    Returns:
        One line a problem.
    """
    return [
        *_task(config),
        *_data(config.data),
        *model_problems(config.model, max_length=config.data.max_length),
        *trainer_args.problems(config.trainer),
        *_evaluation(config),
        *_output(config.output_dir),
        *_tracking(config),
    ]


def _task(config: Config) -> Iterator[str]:
    if config.task.disc_weight == 0 and config.task.gen_weight == 0:
        yield "`task.disc_weight` and `task.gen_weight` must not both be 0: nothing would learn."


def _data(data: DataConfig) -> list[str]:
    return _peek(data.model_dump_json(), data)


class _Unhashed:
    """Lets a configuration that says the same share one entry of the cache."""


@lru_cache(maxsize=256)
def _peek_once(key: str, holder: _Holder) -> tuple[str, ...]:
    from electralab.data import peek

    return tuple(peek.problems(holder.data))


def _evaluation(config: Config) -> Iterator[str]:
    if config.data.split.validation not in (None, 0):
        return
    scheduler = config.trainer.get("lr_scheduler_type")
    needs = [
        name
        for name in ("load_best_model_at_end", trainer_args.PATIENCE)
        if config.trainer.get(name)
    ]
    if scheduler in ("reduce_lr_on_plateau", "greedy"):
        needs.append("lr_scheduler_type")
    for name in needs:
        yield (
            f"`data.split.validation` must be a share or a file for `trainer.{name}`, which needs "
            "an evaluation, but is null."
        )
