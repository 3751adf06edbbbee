"""An encoder with a head: from a checkpoint of any kind, or from scratch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from electralab.config import ModelConfig
from electralab.data.labels import class_name
from electralab.models.build import set_attention
from electralab.models.networks import Network
from electralab.tasks.base import Built
from electralab.tasks.network import build_network

log = logging.getLogger(__name__)

SCORE = "score"  # what the one output of a regression is called
PROBLEM_TYPES = {  # the words of 🤗 Transformers, by which a pipeline knows what to make of logits
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}


def build_classifier(
    *,
    model: ModelConfig,
    name_or_path: str | None,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str],
    problem: str,
    max_length: int,
) -> Built:
    """Builds a model that tells classes apart, or gives a score.

    The head of a checkpoint is kept where it was made for the same classes in the same order.

    Args:
        model: The keys of `model`.
        name_or_path: Hub name or folder; none: an ELECTRA from scratch.
        tokenizer: Whose ids it reads.
        labels: Names of the classes; none for a score.
        problem: As `task.problem`.
        max_length: Tokens of the longest row.

    Raises:
        UserError: The checkpoint cannot be loaded, or does not fit the data.
    """
    labels = labels or [SCORE]
    head: dict[str, Any] = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "problem_type": PROBLEM_TYPES[problem],
    }
    network = build_network(
        AutoModelForSequenceClassification,
        model=model,
        name_or_path=name_or_path,
        tokenizer=tokenizer,
        lengths={"data.max_length": max_length},
        **head,
    )
    able = not network.fresh
    if able and not _same_classes(network.labels, labels):
        log.warning(
            "%s tells apart %s, and not %s in this order; a new head starts from random numbers.",
            *(name_or_path, listed(network.labels), listed(labels)),
        )
        network, able = _with_new_head(network), False
        if model.attention is not None:
            set_attention(network.model, model.attention)
    return Built(network.model, able)


def freeze_encoder(model: PreTrainedModel) -> None:
    """Leaves only the head to be trained, and with it a pooler, which checkpoints often lack.

    The dropout of the encoder stays, as it is for a frozen one in 🤗 Transformers.
    """
    for name, parameter in model.base_model.named_parameters():
        parameter.requires_grad = ".pooler." in f".{name}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Returns names with commas, as many as can be read."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def _same_classes(own: Sequence[str], wanted: Sequence[str]) -> bool:
    """Says whether a head's classes are those of the data, in their order.

    🤗 Transformers calls classes without names ``LABEL_0`` and so on: they are numbers, or the one
    output of a score.
    """
    numbers = [str(number) for number in range(len(own))]
    if [*own] == [f"LABEL_{number}" for number in numbers]:
        return [*wanted] in (numbers, [SCORE])
    return [*map(class_name, own)] == [*map(class_name, wanted)]


def _with_new_head(network: Network) -> Network:
    """Returns the same encoder under a head that is drawn from torch's generator."""
    model = type(network.model)(network.model.config)
    model.base_model.load_state_dict(network.model.base_model.state_dict())
    head = [name for name in model.state_dict() if name not in _encoder_names(model)]
    return replace(network, model=model, fresh=head)


def _encoder_names(model: PreTrainedModel) -> set[str]:
    prefix = model.base_model_prefix
    return {f"{prefix}.{name}" for name in model.base_model.state_dict()}
