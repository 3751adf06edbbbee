"""A model of one network as the keys of `model` say: from a checkpoint, or from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedTokenizerBase

from electralab.config import ModelConfig
from electralab.models.attention import choose_attention
from electralab.models.networks import Network, check_fits, load_network
from electralab.models.scratch import fresh_network

_SIZES = (
    *("embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "initializer_range"),
)


def build_network(
    auto_class: type,
    *,
    model: ModelConfig,
    name_or_path: str | None,
    tokenizer: PreTrainedTokenizerBase,
    lengths: Mapping[str, int],
    apart: bool = False,
    **head: Any,
) -> Network:
    """Builds the model of a task.

    Args:
        auto_class: `AutoModelForMaskedLM`, `AutoModelForSequenceClassification` or
            `AutoModelForSeq2SeqLM`.
        model: The keys of `model`.
        name_or_path: Hub name or folder; none: from scratch.
        tokenizer: Whose ids it reads.
        lengths: Tokens of the longest row, by the key that sets them.
        apart: Whether rows hold several texts that are kept apart.
        head: Fields of the configuration that the head follows from, such as ``id2label``.

    Raises:
        UserError: The checkpoint cannot be loaded, or does not fit the data.
    """
    if name_or_path is None:
        sizes = {name: getattr(model, name) for name in _SIZES}
        dropout = model.dropout or 0.0
        network = fresh_network(auto_class, tokenizer=tokenizer, dropout=dropout, **sizes, **head)
    else:
        how = {"revision": model.revision, "dropout": model.dropout}
        network = load_network(auto_class, name_or_path, **how, **head)
    check_fits(network.model, tokenizer=tokenizer, lengths=lengths)
    choose_attention(network.model, model.attention, apart=apart)
    return network
