"""How a model with a decoder writes, and what its words cost."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import GenerationConfig, PreTrainedModel
from transformers.modeling_outputs import Seq2SeqLMOutput

LOGITS = 2**26  # that stand in float32 at a time: 256 MiB
# What a checkpoint says of its ids; its lengths, beams and penalties were chosen for other uses.
_KEPT = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_KEPT += ("forced_bos_token_id", "forced_eos_token_id", "bad_words_ids", "suppress_tokens")


def set_generation(
    model: PreTrainedModel, *, max_new_tokens: int, num_beams: int, **forced: int
) -> None:
    """Makes a model, and what is saved of it, write by beam search.

    Args:
        model: Its generation configuration is replaced.
        max_new_tokens: Tokens written at most.
        num_beams: Beams; 1 is greedy.
        forced: Ids with which a text begins, as of `forced_tokens`.
    """
    ids = {name: getattr(model.generation_config, name, None) for name in _KEPT}
    for name in _KEPT[:4]:
        if ids[name] is None:
            ids[name] = getattr(model.config, name, None)
    ids |= forced
    model.generation_config = GenerationConfig(
        **{name: value for name, value in ids.items() if value is not None},
        max_new_tokens=max_new_tokens,
        num_beams=num_beams,
        do_sample=False,
    )
    # Training starts the decoder with what the configuration says, and writing must do likewise.
    if "decoder_start_token_id" in forced:
        model.config.decoder_start_token_id = forced["decoder_start_token_id"]


def target_logits(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """Returns the logits of `given_targets` alone."""
    return given_targets(model, batch).logits


def given_targets(model: PreTrainedModel, batch: dict[str, Tensor]) -> Seq2SeqLMOutput:
    """Returns what a model makes of the sources and the targets.

    Its ``logits`` are those of the next token at each position, given the target before it, of
    shape ``(batch, target, vocabulary)``; ``encoder_last_hidden_state`` is what it makes of the
    sources, ``(batch, source, width)``.

    Args:
        model: An encoder with a decoder, possibly wrapped for several devices.
        batch: ``input_ids`` and ``attention_mask`` of shape ``(batch, source)``, ``labels`` of
            shape ``(batch, target)``, -100 where there is none.
    """
    inner = getattr(model, "module", model)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    if hasattr(inner, "prepare_decoder_input_ids_from_labels"):
        shifted = inner.prepare_decoder_input_ids_from_labels(labels=batch["labels"])
        return model(**inputs, decoder_input_ids=shifted)
    # An M2M100 shifts them within, and computes a loss besides.
    return model(**inputs, labels=batch["labels"])


def target_nll(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Returns the summed cross-entropy of each row in nats.

    A smoothed one has a share of the mean over the vocabulary (Szegedy et al. 2016, section 7).

    Large vocabularies are computed some rows at a time, and again on the way back, so that what is
    kept in float32 stays small.

    Args:
        logits: Shape ``(batch, target, vocabulary)``.
        labels: Shape ``(batch, target)``, -100 where nothing counts.
        label_smoothing: 0 to below 1.

    Returns:
        Shape ``(batch,)``, float32.
    """

    def of_rows(logits: Tensor, labels: Tensor) -> Tensor:
        losses = cross_entropy(
            logits.float().flatten(0, 1),
            labels.flatten(),
            reduction="none",
            label_smoothing=label_smoothing,
        )
        return losses.view(labels.shape).sum(1)

    rows = max(1, LOGITS // logits[0].numel())
    if rows >= len(logits):
        return of_rows(logits, labels)
    parts = zip(logits.split(rows), labels.split(rows), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(of_rows, *part, use_reentrant=False) for part in parts])
    return torch.cat([of_rows(*part) for part in parts])
