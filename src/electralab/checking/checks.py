"""What a configuration says that cannot work, found before anything is loaded.

Each function looks at a few keys and yields a line a problem; `problems` asks all of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.checking import (
    mlm_checks,
    packing_checks,
    phase_checks,
    streaming_checks,
    trainer_args,
)
from electralab.checking.classification_checks import classification_problems
from electralab.checking.metrics import of_an_evaluation
from electralab.checking.model_checks import model_problems
from electralab.checking.nearest import did_you_mean
from electralab.checking.objectives import objective_problems
from electralab.checking.rules import Rule, ask
from electralab.checking.translation import translation_problems
from electralab.config import Chain
from electralab.errors import UserError
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.config import Config

_OF_DATA = (
    *("data.source", "data.path", "data.name", "task.name"),
    *(f"data.columns.{role}" for role in ("text", "text_pair", "label", "source", "target")),
)
_HELD = ("data.split.validation", "data.split.test")
# Those that the Trainer reads together; where one is missing, its default would be judged.
_OF_TRAINER = tuple(
    f"trainer.{name}"
    for name in (
        *("eval_strategy", "eval_steps", "logging_steps", "save_strategy", "save_steps"),
        "dataloader_num_workers",
    )
)


def problems(
    config: Config | Chain,
    *,
    memo: dict[str, list[str]] | None = None,
    refused: Collection[str] = (),
) -> list[str]:
    """Checks keys against one another, against files, and against the machine.

    Loads no model and no data set, and makes nothing.

    Args:
        config: A typed configuration.
        memo: Keeps what was found in the data, so that the points of a sweep look at it once.
        refused: Keys for which a stand-in is there; what judges them is not asked.

    Returns:
        One line a problem.
    """
    memo = {} if memo is None else memo
    if isinstance(config, Chain):
        from electralab.checking.chain_checks import chain_problems

        return list(dict.fromkeys(chain_problems(config, memo=memo, refused=refused)))
    rules: list[Rule] = [
        (("task.disc_weight", "task.gen_weight"), _task(config)),
        (mlm_checks.KEYS, mlm_checks.mlm_problems(config.task)),
        (packing_checks.KEYS, packing_checks.packing_problems(config)),
        (phase_checks.KEYS, phase_checks.phase_problems(config)),
        (_OF_DATA, _data(config, memo)),
        (streaming_checks.KEYS, streaming_checks.streaming_problems(config)),
        ((), _classification(config, refused)),
        (("task.source_lang", "task.target_lang", "model.name_or_path"), _translation(config)),
        ((), _model(config, refused)),
        (_OF_TRAINER, trainer_args.problems(config.trainer)),
        (("data.split.validation",), _evaluation(config)),
        (("task.name", "task.problem", "trainer.metric_for_best_model"), _best_metric(config)),
        (("objective", "task.name", "task.problem", *_HELD), objective_problems(config)),
        (("name",), _name(config.name)),
        (("output_dir", "name", "tracking.mode"), _output(config, memo)),
        (("tracking.mode", "tracking.uri"), tracking_problems(config)),
    ]
    if not refused:  # which would be compared with what the run had
        rules.append((("resume",), _resume(config)))
    return list(ask(rules, refused=refused))


def _task(config: Config) -> Iterator[str]:
    task = config.task
    if task.name == "rtd" and task.disc_weight == 0 and task.gen_weight == 0:
        yield "`task.disc_weight` and `task.gen_weight` must not both be 0: nothing would learn."


def _classification(config: Config, refused: Collection[str]) -> Iterator[str]:
    if config.task.name == "classification":
        yield from classification_problems(config.task, refused)


def _translation(config: Config) -> Iterator[str]:
    if config.task.name == "translation":
        yield from translation_problems(config.task, config.model)


def _data(config: Config, memo: dict[str, list[str]]) -> Iterator[str]:
    from electralab.data import peek, roles

    columns = roles.columns(config.task.name, config.data)
    key = f"{config.data.model_dump_json()} {columns}"
    if key not in memo:
        memo[key] = peek.problems(config.data, columns=columns)
    yield from memo[key]


def _model(config: Config, refused: Collection[str]) -> Iterator[str]:
    yield from model_problems(
        config.model,
        task=config.task.name,
        max_length=config.data.max_length,
        max_target_length=config.data.max_target_length,
        refused=refused,
    )


def _evaluation(config: Config) -> Iterator[str]:
    if config.data.split.validation not in (None, 0):
        return
    needs = [
        name
        for name in ("load_best_model_at_end", trainer_args.PATIENCE)
        if config.trainer.get(name)
    ]
    if config.trainer.get("lr_scheduler_type") in ("reduce_lr_on_plateau", "greedy"):
        needs.append("lr_scheduler_type")
    for name in needs:
        yield (
            f"`data.split.validation` must be a share or a file for `trainer.{name}`, which needs "
            "an evaluation, but is null instead."
        )


def _best_metric(config: Config) -> Iterator[str]:
    metric = config.trainer.get("metric_for_best_model")
    names = of_an_evaluation(config)
    if isinstance(metric, str) and metric.removeprefix("eval_") not in names:
        yield (
            "`trainer.metric_for_best_model` must be a metric of the evaluation, but is "
            f"{metric!r} instead{did_you_mean(metric, [f'eval_{name}' for name in names])}"
        )


def _name(name: str) -> Iterator[str]:
    from electralab.tracking.store import ARTIFACTS, DATABASE

    if name.lower() in (files.CACHE, ARTIFACTS, DATABASE):
        yield f"`name` must not be {name}, which has another meaning in `output_dir`."


def _resume(config: Config) -> Iterator[str]:
    from electralab.running.resuming import AUTO, find_resumed

    if config.resume in (None, AUTO):
        return
    folders = (Path(config.resume).expanduser(), Path(config.output_dir, config.resume))
    if config.tracking.mode == "server" and not any(folder.is_dir() for folder in folders):
        return  # the server may know where it is, and is not asked here
    try:
        find_resumed(config, store=None)
    except UserError as error:
        yield from error.problems


def _output(config: Config, memo: dict[str, list[str]]) -> Iterator[str]:
    from electralab.tracking.store import ARTIFACTS

    key = f"output_dir={config.output_dir} {config.name} {config.tracking.mode}"
    if key not in memo:
        folder = Path(config.output_dir).absolute()
        memo[key] = found = list(_unwritable(folder))
        artifacts = [ARTIFACTS] if config.tracking.mode == "local" else []
        for inner in [] if found else [config.name, files.CACHE, *artifacts]:
            if os.path.lexists(folder / inner) and not (folder / inner).is_dir():
                found.append(
                    f"`output_dir` must have room for the folder {inner}, but {folder / inner} is "
                    "in its way; move it away or choose another."
                )
    yield from memo[key]


def _unwritable(folder: Path) -> Iterator[str]:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir():
        yield f"`output_dir` must be a folder, but {place} is a file; choose another."
        return
    try:
        # Without a name, so that nothing is left whatever happens.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield (
            f"`output_dir` must be a folder that can be written, but {place} is not "
            f"({error.strerror}); choose another."
        )


def tracking_problems(config: Config) -> Iterator[str]:
    """Yields a line for every setting of the store that cannot work; asks no server."""
    from electralab.tracking.store import SCHEMES, describe_uri

    mode, uri = config.tracking.mode, config.tracking.uri
    if mode != "server":
        if uri is not None:
            yield (
                f"`tracking.uri` must be null with tracking={mode}, but is {describe_uri(uri)} "
                "instead; choose tracking=server to use it."
            )
    elif uri is None:
        yield "`tracking.uri` must be set with tracking=server, such as http://127.0.0.1:5000."
    elif uri.partition("://")[0].partition("+")[0] not in SCHEMES:
        yield (
            f"`tracking.uri` must begin with one of {', '.join(SCHEMES)}, but is "
            f"{describe_uri(uri)} instead."
        )
