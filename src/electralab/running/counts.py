"""How long a run is going to be, as far as it is known before anything is loaded."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.chain_config import ARMS, adaptation, fine_tuning, unadapted_model
from electralab.checking.phase_checks import in_words, plan
from electralab.checking.signature import sources
from electralab.config import Chain
from electralab.data import filling
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.config import Config

# The keys of `task` and `model` that rows depend on.
_TASK = ("name", "problem", "labels", "source_lang", "target_lang", "prefix")
_MODEL = ("name_or_path", "revision", "tokenizer", "vocab_size", "lowercase")


def keep(config: Config, report: dict[str, Any]) -> None:
    """Notes how many rows and tokens the prepared data of a configuration has, and how full.

    Args:
        config: The configuration of a run.
        report: That of its prepared data.
    """
    place = _place(config)
    place.parent.mkdir(parents=True, exist_ok=True)
    counts = {"rows": report["rows"]["train"], "tokens": report["tokens"]["train"]}
    if "packing" in report:
        counts["packing"] = filling.in_words(report["packing"])
    if files.read_json(place) != counts:
        files.write_json(place, counts)


def rows_in_words(config: Config | Chain) -> list[str]:
    """Returns lines about a run's phases, and how full its rows are where they were prepared.

    Args:
        config: A checked configuration; of a chain, of its adaptation.
    """
    one = adaptation(config) if isinstance(config, Chain) else config
    known = files.read_json(_place(one)).get("packing")
    return [*([known] if known else []), *in_words(plan(one))]


def length(config: Config | Chain) -> tuple[int | None, int | None]:
    """Returns the optimiser steps of a run and the real tokens that it trains on.

    Args:
        config: A checked configuration; of a chain, its runs are added up.

    Returns:
        Either is none where it depends on data that no earlier run prepared.
    """
    if isinstance(config, Chain):
        seeds = config.finetune.seeds
        tuned = fine_tuning(config, model=unadapted_model(config), seed=seeds[0])
        parts = [length(tuned)] * (len(ARMS) * len(seeds))
        if config.finetune.model.name_or_path is None:
            parts.append(length(adaptation(config)))
        return tuple(None if None in column else sum(column) for column in zip(*parts, strict=True))
    given = config.trainer
    counts = files.read_json(_place(config))
    rows = counts.get("rows")
    batch = given.get("per_device_train_batch_size", 8) * given.get(
        "gradient_accumulation_steps", 1
    )
    steps = given.get("max_steps", -1)
    if steps <= 0:
        epochs = given.get("num_train_epochs", 3)
        steps = None if rows is None else math.ceil(max(1, math.ceil(rows / batch)) * epochs)
    if steps is None or not rows:
        return steps, None
    return steps, round(steps * min(batch, rows) * counts["tokens"] / rows)


def _place(config: Config) -> Path:
    content = {
        "data": config.data.model_dump(exclude={"num_proc"}),
        "task": {key: value for key, value in config.task.model_dump().items() if key in _TASK},
        "model": config.model.model_dump(include=set(_MODEL)),
        "sources": sources(config),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return Path(config.output_dir, files.CACHE, "counts", f"{digest[:16]}.json")
