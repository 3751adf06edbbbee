"""Models of one network: any architecture from a checkpoint, for one of the tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from electralab.errors import UserError
from electralab.models.loading import (
    Loaded,
    is_pair,
    lacks,
    load_config,
    load_weights,
    load_whole_pair,
    say_fresh,
    weights_refusal,
)
from electralab.models.positions import usable_positions
from electralab.models.tokenizers import id_count

log = logging.getLogger(__name__)

_MAPPINGS = {
    AutoModelForMaskedLM: MODEL_FOR_MASKED_LM_MAPPING,
    AutoModelForSequenceClassification: MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSeq2SeqLM: MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
}
_WANTED = {
    AutoModelForMaskedLM: "an encoder that fills in masks, such as a BERT, RoBERTa or ELECTRA",
    AutoModelForSequenceClassification: "an encoder, such as a BERT, RoBERTa or ELECTRA",
    AutoModelForSeq2SeqLM: "an encoder with a decoder, such as a Marian, T5 or mBART",
}
# What architectures call the dropout of hidden states, of attention and before a classifier.
_DROPOUT = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
    *("dropout", "attention_dropout", "hidden_dropout", "dropout_rate", "seq_classif_dropout"),
    *("embedding_dropout", "mlp_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop"),
)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model, and what of it nothing has been learned about.

    Args:
        model: The model, in float32.
        fresh: Its tensors that start from random numbers; empty: it can do the task already.
        labels: The names of the classes that the checkpoint's own head told apart; empty where it
            had none.
    """

    model: PreTrainedModel
    fresh: list[str]
    labels: tuple[str, ...] = ()


def load_network(
    auto_class: type,
    name_or_path: str,
    *,
    key: str = "model.name_or_path",
    revision: str | None = None,
    dropout: float | None = None,
    **overrides: Any,
) -> Network:
    """Loads a checkpoint for a task; what it lacks of a head is drawn from torch's generator.

    The encoder of another head is taken over, and so is that of a run of replaced token detection:
    its discriminator serves classification, its generator masked language modelling.

    Args:
        auto_class: `AutoModelForMaskedLM`, `AutoModelForSequenceClassification` or
            `AutoModelForSeq2SeqLM`.
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.
        dropout: Replaces the checkpoint's, 0 to below 1; none: as it has it.
        overrides: Fields of its configuration to replace, such as ``id2label``.

    Raises:
        UserError: It is a model of another kind, cannot be found, or does not fit its own
            configuration.
    """
    config = check_kind(auto_class, name_or_path, key=key, revision=revision)
    refusal = weights_refusal(key, name_or_path)
    source: dict[str, Any] = {"source": name_or_path, "revision": revision}
    if config is None:
        config, state = _part(name_or_path, generator=auto_class is AutoModelForMaskedLM)
        source = {"source": None, "state_dict": state}
    mapping = _MAPPINGS[auto_class]
    labels = tuple(str(label) for _, label in sorted((config.id2label or {}).items()))
    set_dropout(config, dropout)
    for name, value in overrides.items():
        setattr(config, name, value)
    loaded = load_weights(mapping[type(config)], config=config, refusal=refusal, **source)
    classifier = auto_class is AutoModelForSequenceClassification
    resized = _resized_head(loaded) if classifier else []
    if not resized:
        loaded.check_shapes(refusal)
    if lost := _encoder_tensors(loaded.model, loaded.missing):
        raise UserError(lacks(refusal, lost))
    if resized:
        (_, found, wanted), *_ = loaded.mismatched
        log.warning(
            "%s tells %d classes apart; a head for %d starts from random numbers.",
            *(name_or_path, found[0], wanted[0]),
        )
    elif loaded.missing and not classifier:
        say_fresh(name_or_path, loaded.missing)
    # A head of which even the last layer is there was made for these labels or others like them.
    own = labels if classifier and (resized or not loaded.missing) else ()
    return Network(model=loaded.model, fresh=sorted({*loaded.missing, *resized}), labels=own)


def check_kind(
    auto_class: type,
    name_or_path: str,
    *,
    key: str = "model.name_or_path",
    revision: str | None = None,
) -> PretrainedConfig | None:
    """Refuses a checkpoint that is no model for a task, by its configuration alone.

    Args:
        auto_class: As for `load_network`.
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.

    Returns:
        Its configuration; none for the pair of a run.

    Raises:
        UserError: It is a model of another kind, or has no configuration that can be read.
    """
    wants_decoder = auto_class is AutoModelForSeq2SeqLM
    if is_pair(name_or_path):
        if wants_decoder:
            raise UserError(_wrong_kind(key, auto_class, name_or_path, "discriminator"))
        return None
    config = load_config(name_or_path, key=key, revision=revision)
    fits = type(config) in _MAPPINGS[auto_class]
    if not fits or bool(config.is_encoder_decoder) is not wants_decoder:
        raise UserError(_wrong_kind(key, auto_class, name_or_path, config.model_type))
    return config


def set_dropout(config: PretrainedConfig, dropout: float | None) -> None:
    """Replaces the dropout of hidden states and of attention, whatever a configuration calls it.

    Args:
        config: Changed in place.
        dropout: 0 to below 1; none: as it is.
    """
    if dropout is None:
        return
    for name in _DROPOUT:
        if isinstance(getattr(config, name, None), int | float):
            setattr(config, name, dropout)
    # Most go without this one, which would add to the others; where it is, it follows.
    if getattr(config, "activation_dropout", None):
        config.activation_dropout = dropout


def check_fits(
    model: PreTrainedModel, *, tokenizer: PreTrainedTokenizerBase, lengths: Mapping[str, int]
) -> None:
    """Refuses a tokenizer with ids, or rows with positions, that a model does not have.

    Args:
        model: The model.
        tokenizer: What makes its ids.
        lengths: Tokens of the longest row, by the key that says so.

    Raises:
        UserError: With a line for each.
    """
    problems = []
    known, pieces = model.get_input_embeddings().num_embeddings, id_count(tokenizer)
    if pieces > known:
        problems.append(
            f"`model.tokenizer` must have at most the model's {known} pieces, but has {pieces} "
            "instead; take the model's own with model.tokenizer=auto."
        )
    most = usable_positions(model.config.to_dict())
    problems += [
        f"`{key}` must be at most {most}, the positions of the model, but is {length} instead."
        for key, length in lengths.items()
        if most is not None and length > most
    ]
    if problems:
        raise UserError(problems)


def _part(folder: str, *, generator: bool) -> tuple[PretrainedConfig, dict[str, Any]]:
    """Returns the configuration and the weights of one half of a pair."""
    pair = load_whole_pair(folder)
    if generator:
        pair.config.generator.tie_word_embeddings = True  # the pair may have tied them itself
        return pair.config.generator, pair.generator.state_dict()
    state = pair.discriminator.electra.state_dict(prefix="electra.")
    return pair.config.discriminator, state


def _wrong_kind(key: str, auto_class: type, name: str, kind: str) -> str:
    return f"`{key}` must be {_WANTED[auto_class]}, but {name!r} is a {kind!r} instead."


def _resized_head(loaded: Loaded) -> list[str]:
    """Returns the tensors of a classifier's last layer, if no others have another shape."""
    names = [name for name, _, _ in loaded.mismatched]
    same_width = all(
        found[1:] == wanted[1:] and wanted[0] == loaded.model.config.num_labels
        for _, found, wanted in loaded.mismatched
    )
    return names if same_width and not _encoder_tensors(loaded.model, names) else []


def _encoder_tensors(model: PreTrainedModel, names: list[str]) -> list[str]:
    """Returns those that belong to no head; a pooler is part of one."""
    prefix = model.base_model_prefix
    if model.base_model is model:  # as in T5, where the output table alone is a head
        return [name for name in names if not name.startswith("lm_head.")]
    return [name for name in names if name.startswith(f"{prefix}.") and ".pooler." not in name]
