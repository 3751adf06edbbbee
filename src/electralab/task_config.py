"""The typed keys of `task`, a section for each option of `conf/task/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from electralab.schema import Count, Part, Section, Share, Size, Text

Examples = Annotated[int, Field(ge=1, le=20)]


class PhaseConfig(Section):
    """An item of `task.phases`: a part of the training whose rows have one length."""

    length: Annotated[int, Field(ge=8)]
    share: Annotated[float, Field(gt=0, le=1)]


Phases = Annotated[list[PhaseConfig], Field(min_length=1)] | None


class RtdConfig(Section):
    """`task=rtd`: replaced token detection (Clark et al. 2020)."""

    name: Literal["rtd"]
    mask_prob: Share
    replace_prob: Annotated[float, Field(gt=0, le=1)]
    disc_weight: Annotated[float, Field(ge=0)]
    gen_weight: Annotated[float, Field(ge=0)]
    temperature: Annotated[float, Field(gt=0)]
    eval_mask_prob: Share
    phases: Phases = None
    preview_steps: Size
    preview_examples: Examples


class MlmConfig(Section):
    """`task=mlm`: masked language modelling (Devlin et al. 2019)."""

    name: Literal["mlm"]
    mask_prob: Share
    mask_share: Part
    random_share: Part
    whole_word: bool
    eval_mask_prob: Share
    phases: Phases = None
    preview_steps: Size
    preview_examples: Examples


class ClassificationConfig(Section):
    """`task=classification`: a label, labels or a score for a text or a pair of texts."""

    name: Literal["classification"]
    problem: Literal["single_label", "multi_label", "regression"]
    labels: Annotated[list[str | int | bool], Field(min_length=2)] | None
    label_separator: Text
    average: Literal["binary", "macro"] | None
    class_weights: Literal["balanced"] | Annotated[list[float], Field(min_length=2)] | None
    freeze_encoder: bool
    layer_decay: Annotated[float, Field(gt=0, le=1)]


class TranslationConfig(Section):
    """`task=translation`: from one language to another with an encoder and a decoder."""

    name: Literal["translation"]
    source_lang: Text | None
    target_lang: Text | None
    prefix: str
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    num_beams: Count
    eval_num_beams: Count
    examples: Annotated[int, Field(ge=0, le=1000)]


TASK_CONFIGS: dict[str, type[Section]] = {
    "rtd": RtdConfig,
    "mlm": MlmConfig,
    "classification": ClassificationConfig,
    "translation": TranslationConfig,
}
