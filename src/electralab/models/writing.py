"""Greedy and beam search from which a text leaves when it is finished.

What is written is what 🤗 Transformers' own search writes, whatever stands beside a text in its
batch. There a batch is computed until its last text ends; and at each step the keys and values of
the source are put into the order of the beams, though those of a text all have the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import EncoderDecoderCache, GenerationConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import ModelOutput

LOST = -1e9  # the score of what cannot be
_FEWER = 0.125  # of the texts have left: then the batch shrinks


def write(
    model: PreTrainedModel, inputs: dict[str, Tensor], *, read: Tensor | None = None, **how: Any
) -> Tensor:
    """Writes a text for each source.

    Args:
        model: An encoder with a decoder, its generation configured by `set_generation`.
        inputs: ``input_ids`` and ``attention_mask`` of shape ``(batch, source)``.
        read: What its encoder makes of them, ``(batch, source, width)``; none: it is computed.
        how: ``num_beams`` and ``max_new_tokens``.

    Returns:
        Ids of shape ``(batch, written)``, padded, without those that start the decoder.
    """
    if read is not None:
        how["encoder_outputs"] = BaseModelOutput(last_hidden_state=read)
    return model.generate(**inputs, **how, custom_generate=_search)[:, 1:]


class _Running:
    """The texts that are being written, ``width`` beams each, and what the model needs of them."""

    def __init__(
        self, model: PreTrainedModel, ids: Tensor, config: GenerationConfig, given: dict[str, Any]
    ) -> None:
        self.model, self.config, self.given = model, config, given
        self.width = config.num_beams
        self.ids = ids  # (texts · width, written so far)
        self.numbers = torch.arange(len(ids) // self.width, device=ids.device)  # of the texts
        ends = config._eos_token_tensor
        self.eos = ids.new_empty(0) if ends is None else ends
        self.begun = False

    def logits(self) -> Tensor:
        """Returns those of each next token, of shape ``(texts · width, vocabulary)``."""
        model, given = self.model, self.given
        if self.begun:
            inputs = model.prepare_inputs_for_generation(self.ids, next_sequence_length=1, **given)
            output = model(**inputs, return_dict=True)
        else:
            output = model._prefill(self.ids, self.config, given)
            self.begun = True
        self.given = model._update_model_kwargs_for_generation(
            output, given, is_encoder_decoder=True
        )
        return output.logits[:, -1].float()

    def go_on(self, rows: Tensor, tokens: Tensor, staying: Tensor | None) -> None:
        """Adds a token to each beam.

        Args:
            rows: Which beam each goes on from, of shape ``(texts, width)``.
            tokens: The tokens, of the same shape.
            staying: Which texts stay, boolean, of shape ``(texts,)``; none: all.
        """
        cache, before = self.given["past_key_values"], len(self.ids)
        if staying is not None:
            rows, tokens, self.numbers = rows[staying], tokens[staying], self.numbers[staying]
        flat = rows.flatten()
        self.ids = torch.cat([self.ids[flat], tokens.reshape(-1, 1)], dim=1)
        if staying is not None:
            self.given = {name: _rows(value, flat, before) for name, value in self.given.items()}
            cache.cross_attention_cache.batch_select_indices(flat)
        if staying is not None or self.width > 1:
            cache.self_attention_cache.batch_select_indices(flat)


def _rows(value: Any, rows: Tensor, before: int) -> Any:
    """Picks rows of what has one for each beam."""
    if isinstance(value, ModelOutput):  # of the encoder
        return BaseModelOutput(last_hidden_state=value.last_hidden_state[rows])
    return value[rows] if isinstance(value, Tensor) and len(value) == before else value


@torch.no_grad()
def _search(
    model: PreTrainedModel,
    input_ids: Tensor,
    logits_processor: Any,
    stopping_criteria: Any,
    generation_config: GenerationConfig,
    synced_gpus: bool = False,
    **given: Any,
) -> Tensor:
    """Stands in for `GenerationMixin._sample` and `._beam_search`, and has their arguments."""
    own = type(model)._beam_search if generation_config.num_beams > 1 else type(model)._sample
    if synced_gpus or not isinstance(given.get("past_key_values"), EncoderDecoderCache):
        how = {"stopping_criteria": stopping_criteria, "synced_gpus": synced_gpus}
        how |= {"logits_processor": logits_processor, "generation_config": generation_config}
        return own(model, input_ids, **how, **given)
    running = _Running(model, input_ids, generation_config, given)
    search = _beams if generation_config.num_beams > 1 else _greedy
    return search(running, logits_processor)


def _greedy(running: _Running, processor: Any) -> Tensor:
    config, prompt = running.config, running.ids.shape[1]
    texts = len(running.ids)
    written = running.ids.new_full((texts, config.max_length), config._pad_token_tensor)
    written[:, :prompt] = running.ids
    ended = torch.zeros(texts, dtype=torch.bool, device=running.ids.device)
    for place in range(prompt, config.max_length):
        tokens = processor(running.ids, running.logits()).argmax(-1)
        there = running.numbers[~ended]
        written[there, place] = tokens[~ended]
        ended = ended | torch.isin(tokens, running.eos)
        if ended.all():
            break
        staying = ~ended if ended.float().mean() >= _FEWER else None
        rows = torch.arange(len(ended), device=ended.device)
        running.go_on(rows[:, None], tokens[:, None], staying)
        ended = ended if staying is None else ended[staying]
    return written[:, : place + 1]


def _beams(running: _Running, processor: Any) -> Tensor:
    """A text leaves when the best of its beams cannot come before the last of its endings."""
    config, width, prompt = running.config, running.width, running.ids.shape[1]
    longest, eos, device = config.max_length, running.eos, running.ids.device
    texts = len(running.numbers)
    written = running.ids.new_full((texts, longest), config._pad_token_tensor)
    scores = torch.zeros(texts, width, device=device)
    scores[:, 1:] = LOST  # all beams are alike at first
    endings = written[:, None].repeat(1, width, 1)
    end_scores = torch.full_like(scores, LOST)
    left = torch.zeros(texts, dtype=torch.bool, device=device)
    candidates = max(2, 1 + len(eos)) * width  # so that enough of them go on
    for place in range(prompt, longest):
        log_probs = processor(running.ids, running.logits().log_softmax(-1))
        sums = log_probs.view(len(left), width, -1) + scores[:, :, None]
        vocabulary = sums.shape[-1]
        best, at = sums.flatten(1).topk(candidates)  # (texts, candidates)
        first = torch.arange(len(left), device=device)[:, None] * width
        rows, tokens = first + at // vocabulary, at % vocabulary
        ends = torch.isin(tokens, eos) | (place + 1 == longest)
        length = (place + 1 - prompt) ** config.length_penalty

        # Of those that end here, the first ones come among the endings.
        here = ends[:, :width] & ~left[:, None]
        if here.any():
            found = torch.where(here, best[:, :width] / length, LOST)
            end_scores, kept = torch.cat([end_scores, found], dim=1).topk(width)
            new = endings.new_full((len(left), width, longest), config._pad_token_tensor)
            new[:, :, :place] = running.ids[rows[:, :width].flatten()].view(len(left), width, -1)
            new[:, :, place] = tokens[:, :width]
            every = torch.cat([endings, new], dim=1)
            endings = every.gather(1, kept[:, :, None].expand(-1, -1, longest))

        scores, kept = torch.where(ends, best + LOST, best).topk(width)
        rows, tokens = rows.gather(1, kept), tokens.gather(1, kept)
        better = scores[:, 0] / length > end_scores.min(1).values
        leaving = ~left & ((scores[:, 0] <= LOST) | ~better)
        written[running.numbers[leaving]] = endings[leaving, 0]
        left = left | leaving
        if left.all():
            break
        staying = ~left if left.float().mean() >= _FEWER else None
        running.go_on(rows, tokens, staying)
        if staying is not None:
            scores, endings, end_scores = scores[staying], endings[staying], end_scores[staying]
            left = left[staying]
    return written[:, : place + 1]
