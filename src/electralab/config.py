"""The typed shape of a configuration: names, types and ranges of every key of `conf/`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    share_embeddings: Literal["all", "none"]
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

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    deterministic: bool
    output_dir: Text
    resume: Text | None
    task: RtdConfig
    data: DataConfig
    model: ModelConfig
    trainer: dict[str, Any]
    tracking: TrackingConfig
