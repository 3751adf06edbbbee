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
from electralab.models.networks import Network, check_fits, load_network
from electralab.models.scratch import fresh_network
from electralab.tasks.base import Built

log = logging.getLogger(__name__)

SCORE = "score"  # what the one output of a regression is called
PROBLEM_TYPES = {  # the words of 🤗 Transformers, by which a pipeline knows what to make of logits
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}
_SIZES = (
    *("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "initializer_range"),
)


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
    auto = AutoModelForSequenceClassification
    if name_or_path is None:
        sizes = {name: getattr(model, name) for name in _SIZES}
        dropout = model.dropout or 0.0
        network = fresh_network(auto, tokenizer=tokenizer, dropout=dropout, **sizes, **head)
    else:
        how = {"revision": model.revision, "dropout": model.dropout}
        network = load_network(auto, name_or_path, **how, **head)
    check_fits(network.model, tokenizer=tokenizer, lengths={"data.max_length": max_length})
    able = not network.fresh
    if able and [*map(class_name, network.labels)] != [*map(class_name, labels)]:
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


def _with_new_head(network: Network) -> Network:
    """Returns the same encoder under a head that is drawn from torch's generator."""
    model = type(network.model)(network.model.config)
    model.base_model.load_state_dict(network.model.base_model.state_dict())
    head = [name for name in model.state_dict() if name not in _encoder_names(model)]
    return replace(network, model=model, fresh=head)


def _encoder_names(model: PreTrainedModel) -> set[str]:
    prefix = model.base_model_prefix
    return {f"{prefix}.{name}" for name in model.base_model.state_dict()}
