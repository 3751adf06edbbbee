"""The typed shape of a configuration: names, types and ranges of every key of `conf/`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from electralab.checking import schema_errors
from electralab.errors import UserError
from electralab.schema import Section, Size, Text
from electralab.task_config import TASK_CONFIGS, ClassificationConfig

_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z]{2,4})?")  # en, en_XX, eng_Latn
Paths = Text | Annotated[list[Text], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Held = Annotated[float, Field(ge=0, le=0.5)] | Text | None
Task = TypeVar("Task", bound=Section)
ADAPTING, FINE_TUNING = ("rtd", "mlm"), ("classification",)  # the tasks of a chain's stages


class Columns(Section):
    """`data.columns`: where the parts of an example stand.

    Two languages as keys, such as ``en: translation.en`` and ``fr: translation.fr``, are read as
    the source and the target, in this order.
    """

    text: Text
    text_pair: Text | None
    label: Text
    source: Text
    target: Text


class Clean(Section):
    """`data.clean`: what is dropped before the split is encoded."""

    drop_empty: bool
    drop_duplicates: bool
    drop_stray_labels: bool
    min_characters: Size
    max_characters: Size


class Split(Section):
    """`data.split`: what is held out, as a share, a file, or a split of the hub."""

    train: Text
    validation: Held
    test: Held
    seed: Annotated[int, Field(ge=0)]


class DataConfig(Section):
    """`data`: where documents come from and how they become examples."""

    source: Literal[
        "python_docs", "python_docs_library", "python_docs_pairs", "ui_strings_enfr",
        "text", "csv", "json", "parquet", "moses", "hub",
    ]  # fmt: skip
    path: Paths | None
    name: Text | None
    subset: Text | None
    revision: Text | None
    columns: Columns
    unit: Literal["line", "file"]
    limit: Size
    streaming: bool
    max_length: Annotated[int, Field(ge=8)]
    max_target_length: Annotated[int, Field(ge=8)] | None
    packing: Literal["concat", "separate", "none"]
    clean: Clean
    split: Split
    num_proc: Size


class GeneratorConfig(Section):
    """`model.generator`: the small network that proposes replacements."""

    name_or_path: Text | None
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    intermediate_size: Size


class ModelConfig(Section):
    """`model`: the network, its tokenizer and, for replaced token detection, its generator."""

    architecture: Literal["electra", "marian"]
    name_or_path: Text | None
    revision: Text | None
    tokenizer: Text
    vocab_size: Annotated[int, Field(ge=64)] | None
    lowercase: bool
    embedding_size: Size
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    intermediate_size: Size
    max_position_embeddings: Size
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    initializer_range: Annotated[float, Field(gt=0, le=1)]
    attention: Literal["eager", "sdpa", "flash_attention_2", "flex_attention"] | None
    share_embeddings: Literal["all", "none"] | None
    generator: GeneratorConfig


class TrackingConfig(Section):
    """`tracking`: the MLflow store."""

    mode: Literal["local", "server", "off"]
    uri: Text | None


class SweepConfig(Section):
    """`sweep`: what a sweep does with jobs that it knows from before, and with failures."""

    on_finished: Literal["skip", "rerun"]
    on_failed: Literal["retry", "skip"]
    fail_fast: bool
    same_code: bool


class Stage(Section, Generic[Task]):
    """What one training is made of."""

    task: Task
    data: DataConfig
    model: ModelConfig
    trainer: dict[str, Any]


class Experiment(Section):
    """The keys that are no stage's own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    seed: Seed
    deterministic: bool
    output_dir: Text
    resume: Text | None
    objective: Text | Annotated[list[Text], Field(min_length=1)] | None
    sweep: SweepConfig
    tracking: TrackingConfig


class Config(Stage[Task], Experiment, Generic[Task]):
    """A whole run; `Config[RtdConfig]` is one of the task `rtd`."""


class FineTuning(Stage[ClassificationConfig]):
    """`finetune`: the second stage of a chain, once a seed and arm."""

    seeds: Annotated[list[Seed], Field(min_length=1)]


class Chain(Experiment, Generic[Task]):
    """Adaptation, then fine-tuning of what it gave and of what it started from."""

    adapt: Stage[Task]
    finetune: FineTuning


def validate(container: dict[str, Any]) -> Config | Chain:
    """Turns a composed configuration into a typed one.

    Args:
        container: Plain nested mappings, as `OmegaConf.to_container` makes them.

    Raises:
        UserError: With a line for every key that is missing, unknown, of the wrong type or out of
            its range.
    """
    config, problems = inspect(container)
    if problems:
        raise UserError(list(problems.values()))
    return config


def inspect(container: dict[str, Any]) -> tuple[Config | Chain, dict[schema_errors.Key, str]]:
    """Types a configuration even if parts of it are wrong, so that the rest can be checked.

    Args:
        container: Plain nested mappings.

    Returns:
        The configuration, where some legal value stands for each wrong one, and a line for each
        wrong key.
    """
    container = _without_languages(container)
    problems = schema_errors.value_problems(container)
    schema, unknown = _schema(container)
    problems |= unknown
    mended = _without(container, problems)
    for key in problems:
        _put(mended, key, schema)
    # Mending one key can bring the next to light, such as those of a section that was a number.
    for _ in range(10):
        try:
            return schema.model_validate(mended), problems
        except ValidationError as error:
            found = schema_errors.translate(
                error.errors(include_url=False), schema=schema, container=mended
            )
            problems = found | problems
            mended = _without(mended, found)
            for key in found:
                _put(mended, key, schema)
    raise AssertionError(f"the configuration cannot be mended: {problems}")


def _without_languages(node: Any, name: str = "") -> Any:
    """Turns two languages as keys of `columns` into source and target; all keys become texts."""
    if not isinstance(node, dict):
        return node
    node = {str(key): value for key, value in node.items()}  # YAML also has numbers and dates
    if name == "columns":
        codes = [key for key in node if key not in Columns.model_fields and _CODE.fullmatch(key)]
        if len(codes) == 2:  # others are refused as unknown
            rest = {key: value for key, value in node.items() if key not in codes}
            return rest | {"source": node[codes[0]], "target": node[codes[1]]}
    return {key: _without_languages(value, key) for key, value in node.items()}


def _without(node: Any, keys: Any, here: schema_errors.Key = ()) -> Any:
    if isinstance(node, dict):
        inner = {name: (*here, str(name)) for name in node}
        return {n: _without(node[n], keys, k) for n, k in inner.items() if k not in keys}
    return list(node) if isinstance(node, list) else node


def is_chain(container: Any) -> bool:
    """Says whether a composed configuration is one of two stages."""
    return "adapt" in container and "finetune" in container


def _schema(
    container: dict[str, Any],
) -> tuple[type[Config | Chain], dict[schema_errors.Key, str]]:
    """Returns the configuration's type, which follows from its task, and what is wrong there."""
    if not is_chain(container):
        return _of_task(Config, container, key=("task",), names=tuple(TASK_CONFIGS))
    schema, wrong = _of_task(Chain, container, key=("adapt", "task"), names=ADAPTING)
    _, more = _of_task(Config, container, key=("finetune", "task"), names=FINE_TUNING)
    return schema, wrong | more


def _of_task(
    schema: Any, container: dict[str, Any], *, key: schema_errors.Key, names: tuple[str, ...]
) -> tuple[Any, dict[schema_errors.Key, str]]:
    node: Any = container
    for name in key:
        node = node.get(name) if isinstance(node, dict) else None
    name = node.get("name") if isinstance(node, dict) else None
    if name in names:
        return schema[TASK_CONFIGS[name]], {}
    default = schema[TASK_CONFIGS[names[0]]]
    if not isinstance(name, str) or name == schema_errors.MISSING:
        return default, {}
    dotted, known = ".".join((*key, "name")), ", ".join(names)
    wanted = f"one of {known}" if len(names) > 2 else known.replace(", ", " or ")
    line = f"`{dotted}` must be {wanted}, but is {schema_errors.show(name)} instead."
    # In a chain, where a task is chosen by its name, the others have other keys.
    return default, {(*key, "name") if key == ("task",) else key: line}


def _put(container: dict[str, Any], key: schema_errors.Key, schema: type[BaseModel]) -> None:
    """Puts some legal value where a wrong one was; an unknown key stays away."""
    node = container
    for depth, name in enumerate(key):
        field = schema.model_fields.get(name)
        if field is None:
            return
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            if name == "trainer" and depth < len(key) - 1:
                return
            node[name] = schema_errors.legal_value(field.annotation, field.metadata)
            return
        if depth == len(key) - 1 or not isinstance(node.get(name), dict):
            node[name] = schema_errors.legal_value(field.annotation, field.metadata)
            return
        node, schema = node[name], field.annotation
