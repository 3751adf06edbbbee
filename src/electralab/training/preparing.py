"""What a run needs before it trains: its data and its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.config import Config
from electralab.running import folder as files
from electralab.running import report
from electralab.running.resuming import check_data
from electralab.training import memory, together
from electralab.training.determinism import seed_everything

if TYPE_CHECKING:
    from transformers import Seq2SeqTrainingArguments

    from electralab.data.prepare import Prepared
    from electralab.running.origins import Origins
    from electralab.tasks.base import Built, Task

SHORT = 256  # tokens of a row up to which eager attention trains faster than sdpa, in bf16 on a CPU


def prepare(
    config: Config,
    task: Task,
    *,
    origins: Origins,
    output_dir: Path,
    stages: Mapping[str, str] | None = None,
) -> Prepared:
    """Prepares the data, or takes what an earlier run prepared, and says what it came to.

    Args:
        config: The configuration.
        task: Says how texts become rows.
        origins: What the run starts from, which gives the tokenizer.
        output_dir: Holds the cache.
        stages: In a chain, the stage of each group, whose keys are named with it.

    Raises:
        UserError: Something in the configuration or the data must be changed.
    """
    task.check_model(origins.model, revision=config.model.revision)
    tokenizer = origins.tokenizer(config.model, task=task.name)
    with together.main_first(), memory.explained("Preparing the data", memory.DATA):
        data = task.prepare(tokenizer=tokenizer, cache_dir=output_dir / files.CACHE)
    check_data(origins.resumed, fingerprint=data.fingerprint)
    report.show_data(config, data, stages=stages)
    return data


def build(
    config: Config,
    task: Task,
    *,
    origins: Origins,
    data: Prepared,
    arguments: Seq2SeqTrainingArguments,
) -> Built:
    """Builds the model, by the seed of the run, and says what is trained, and where.

    Args:
        config: The configuration.
        task: Says what is built.
        origins: What the run starts from.
        data: The prepared data.
        arguments: The Trainer's.

    Raises:
        UserError: A checkpoint cannot be loaded, or does not fit the data.
    """
    seed_everything(config.seed, deterministic=config.deterministic)
    names = {"name_or_path": origins.model, "generator": origins.generator}
    with memory.explained("The model", memory.MODEL):
        attention = fastest_attention(config, arguments)
        model = config.model.model_copy(update={"attention": attention})
        built = task.build_model(model=model, data=data, **names)
    report.say(f"model  {task.describe(built.model)}", report.device(arguments))
    return built


def fastest_attention(config: Config, arguments: Seq2SeqTrainingArguments) -> str | None:
    """Says which attention serves best where none is asked for; none: what the model chooses.

    On a CPU the backward pass of sdpa is slow in bf16; in float32, and on long rows, it is not.
    """
    if config.model.attention or not (arguments.bf16 and arguments.device.type == "cpu"):
        return config.model.attention
    longest = max(config.data.max_length, config.data.max_target_length or 0)
    return "eager" if longest <= SHORT else None
