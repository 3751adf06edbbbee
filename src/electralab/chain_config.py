"""What the configuration of a chain means: the runs that it is made of, and what they measure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from electralab.config import Chain, Config, DataConfig, ModelConfig, Stage
from electralab.task_config import TASK_CONFIGS

GROUPS = ("task", "model", "data", "trainer")
ARMS = ("adapted", "unadapted")
# Of what a chain measures; `gain` is the adapted arm's metric less the other's, seed by seed.
COMPARED = ("finetune", "unadapted", "gain")

_FIELDS = {
    "task": sorted({name for keys in TASK_CONFIGS.values() for name in keys.model_fields}),
    "model": sorted(ModelConfig.model_fields),
    "data": sorted(DataConfig.model_fields),
    "trainer": ["[a-z]"],  # any name of the Trainer
}
_KEY = re.compile(
    "|".join(
        rf"(?<=`){group}(?=[.`=])|(?<![\w.@/`-]){group}(?==|\.(?:{'|'.join(names)}))"
        for group, names in _FIELDS.items()
    )
)


def adaptation(chain: Chain) -> Config:
    """Returns the configuration of the run that adapts."""
    return _run(chain, chain.adapt, model=chain.adapt.model, seed=chain.seed)


def fine_tuning(chain: Chain, *, model: ModelConfig, seed: int) -> Config:
    """Returns the configuration of a fine-tuning run.

    Args:
        chain: The chain.
        model: From `adapted_model` or `unadapted_model`; all else is the same for both arms.
        seed: Of the run.
    """
    return _run(chain, chain.finetune, model=model, seed=seed)


def adapted_model(chain: Chain, run: str) -> ModelConfig:
    """Returns the `model` of the arm that starts from the adaptation.

    Args:
        chain: The chain.
        run: The run that adapted, or what `finetune.model` names in its place.
    """
    return chain.finetune.model.model_copy(update={"name_or_path": run, "tokenizer": "auto"})


def unadapted_model(chain: Chain, start: str | None = None) -> ModelConfig:
    """Returns the `model` of the other arm, which starts from where the adaptation started.

    Args:
        chain: The chain.
        start: A folder that stands for the start: the tokenizer of a model from scratch, or a
            checkpoint in the form in which it is adapted; none: as `adapt.model` has it.
    """
    own, model = chain.finetune.model, chain.adapt.model
    changes: dict[str, str | float | None] = {
        name: value
        for name in ("dropout", "attention")
        if (value := getattr(own, name)) is not None
    }
    if start and model.name_or_path is None:
        changes["tokenizer"] = start
    elif start:
        changes |= {"name_or_path": start, "tokenizer": "auto", "revision": None}
    return model.model_copy(update=changes)


def _run(chain: Chain, stage: Stage, *, model: ModelConfig, seed: int) -> Config:
    return Config[type(stage.task)](
        name=chain.name,
        seed=seed,
        deterministic=chain.deterministic,
        output_dir=chain.output_dir,
        resume=None,
        objective=None,
        sweep=chain.sweep,
        tracking=chain.tracking,
        task=stage.task,
        data=stage.data,
        model=model,
        trainer=stage.trainer,
    )


def in_stages(line: str, stages: Mapping[str, str]) -> str:
    """Names the keys of a stage in a line that was written about a run.

    Args:
        line: What a run's check says.
        stages: The stage of each group.

    Example:
        >>> in_stages("`data.path` must exist; set data.path=…", dict.fromkeys(GROUPS, "adapt"))
        '`adapt.data.path` must exist; set adapt.data.path=…'
    """
    return _KEY.sub(lambda found: f"{stages[found[0]]}.{found[0]}", line)
