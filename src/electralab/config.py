"""The typed shape of a configuration: names, types and ranges of every key of `conf/`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from electralab.checking import schema_errors
from electralab.errors import UserError

Text = Annotated[str, Field(min_length=1)]
Paths = Text | Annotated[list[Text], Field(min_length=1)]
Size = Annotated[int, Field(ge=1)] | None
Share = Annotated[float, Field(gt=0, lt=1)]
Held = Annotated[float, Field(ge=0, le=0.5)] | Text | None


class Section(BaseModel):
    """A node of the configuration: unknown keys and wrong types are refused, none is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Columns(Section):
    """`data.columns`: where the parts of an example stand."""

    text: Text


class Clean(Section):
    """`data.clean`: what is dropped before the split is encoded."""

    drop_empty: bool
    drop_duplicates: bool


class Split(Section):
    """`data.split`: what is held out, as a share, a file, or a split of the hub."""

    train: Text
    validation: Held
    test: Held
    seed: Annotated[int, Field(ge=0)]


class DataConfig(Section):
    """`data`: where documents come from and how they become examples."""

    source: Literal["python_docs", "text", "csv", "json", "parquet", "hub"]
    path: Paths | None
    name: Text | None
    subset: Text | None
    revision: Text | None
    columns: Columns
    unit: Literal["line", "file"]
    limit: Size
    max_length: Annotated[int, Field(ge=8)]
    packing: Literal["concat", "none"]
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
    """`model`: the discriminator, its tokenizer and its generator."""

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


class RtdConfig(Section):
    """`task=rtd`: replaced token detection (Clark et al. 2020)."""

    name: Literal["rtd"]
    mask_prob: Share
    replace_prob: Annotated[float, Field(gt=0, le=1)]
    disc_weight: Annotated[float, Field(ge=0)]
    gen_weight: Annotated[float, Field(ge=0)]
    temperature: Annotated[float, Field(gt=0)]
    eval_mask_prob: Share
    preview_steps: Size
    preview_examples: Annotated[int, Field(ge=1, le=20)]


class TrackingConfig(Section):
    """`tracking`: the MLflow store."""

    mode: Literal["local", "server", "off"]
    uri: Text | None


class Config(Section):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    deterministic: bool
    output_dir: Text
    resume: Text | None
    task: RtdConfig
    data: DataConfig
    model: ModelConfig
    trainer: dict[str, Any]
    tracking: TrackingConfig


def validate(container: dict[str, Any]) -> Config:
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


def inspect(container: dict[str, Any]) -> tuple[Config, dict[schema_errors.Key, str]]:
    """Types a configuration even if parts of it are wrong, so that the rest can be checked.

    Args:
        container: Plain nested mappings.

    Returns:
        The configuration, where some legal value stands for each wrong one, and a line for each
        wrong key.
    """
    problems = schema_errors.value_problems(container)
    mended = _without(container, problems)
    for key in problems:
        _put(mended, key)
    # Mending one key can bring the next to light, such as those of a section that was a number.
    for _ in range(10):
        try:
            return Config.model_validate(mended), problems
        except ValidationError as error:
            found = schema_errors.translate(
                error.errors(include_url=False), schema=Config, container=mended
            )
            problems = found | problems
            mended = _without(mended, found)
            for key in found:
                _put(mended, key)
    raise AssertionError(f"the configuration cannot be mended: {problems}")


def _without(node: Any, keys: Any, here: schema_errors.Key = ()) -> Any:
    if isinstance(node, dict):
        inner = {name: (*here, str(name)) for name in node}
        return {n: _without(node[n], keys, k) for n, k in inner.items() if k not in keys}
    return list(node) if isinstance(node, list) else node


def _put(container: dict[str, Any], key: schema_errors.Key) -> None:
    """Puts some legal value where a wrong one was; an unknown key stays away."""
    node, schema = container, Config
    for depth, name in enumerate(key):
        field = schema.model_fields.get(name)
        if field is None:
            return
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            if depth == 0 and name == "trainer" and len(key) > 1:
                return
            node[name] = schema_errors.legal_value(field.annotation, field.metadata)
            return
        if depth == len(key) - 1 or not isinstance(node.get(name), dict):
            node[name] = schema_errors.legal_value(field.annotation, field.metadata)
            return
        node, schema = node[name], field.annotation
