"""The pair with one of its tricks left out, to see what each gives by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from electralab.models.encoder import encode, pick
from electralab.models.rtd import RtdPair
from electralab.models.sampling import at_least_float32, sample
from electralab.models.vocabulary import Filled, fill


class WholeLastLayer(RtdPair):
    """The generator's last layer at every position, as 🤗 computes it."""

    def _fill_hidden(self, input_ids: Tensor, positions: Tensor, *marks: Tensor | None) -> Tensor:
        hidden = encode(self.generator.electra, input_ids, *marks)
        return self.generator.generator_predictions(pick(hidden, positions))


class PlainLoss(RtdPair):
    """Logits held whole, cross-entropy and draws by PyTorch's own functions one after another."""

    def _fill(self, masked_ids, positions, *marks, original, chosen, uniforms) -> Filled:
        logits = self.fill_logits(masked_ids, positions, *marks)
        return self._say(logits, original=original, chosen=chosen, uniforms=uniforms)

    def _say(self, logits: Tensor, *, original, chosen, uniforms) -> Filled:
        nll = F.cross_entropy(
            at_least_float32(logits).flatten(0, 1), original.flatten(), reduction="none"
        ).view_as(original)
        sampled = sample(logits, uniforms, temperature=self.config.sampling_temperature)
        return Filled((nll * chosen).sum(), nll, sampled, logits.argmax(-1) == original)


class WholeVocabulary(RtdPair):
    """The vocabulary at every position, in the same chunks."""

    def _fill(self, masked_ids, positions, *marks, original, chosen, uniforms) -> Filled:
        hidden = encode(self.generator.electra, masked_ids, *marks)
        hidden = self.generator.generator_predictions(hidden)

        def everywhere(values: Tensor, rest: Tensor) -> Tensor:
            return rest.scatter(1, positions, values)

        head, zeros = self.generator.generator_lm_head, torch.zeros_like(masked_ids)
        said = fill(
            *(hidden, head.weight, head.bias),
            original=everywhere(original, zeros),
            chosen=everywhere(chosen, zeros.bool()),
            uniforms=everywhere(uniforms, torch.full_like(zeros, 0.5, dtype=uniforms.dtype)),
            temperature=self.config.sampling_temperature,
        )
        return Filled(said.loss, *(values.gather(1, positions) for values in said[1:]))


class EveryPosition(PlainLoss):
    """None of them: 🤗's forward pass, logits at every position, plain losses."""

    def _fill(self, masked_ids, positions, *marks, original, chosen, uniforms) -> Filled:
        mask, *several = marks
        if any(mark is not None for mark in several):
            raise ValueError("rows of several texts are not for the plain pair")
        logits = self.generator(masked_ids, attention_mask=mask).logits  # (B, L, V)
        labels = torch.full_like(masked_ids, -100)
        labels = labels.scatter(1, positions, torch.where(chosen, original, -100))
        loss = F.cross_entropy(
            at_least_float32(logits).flatten(0, 1), labels.flatten(), reduction="sum"
        )
        with torch.no_grad():
            said = self._say(
                pick(logits, positions), original=original, chosen=chosen, uniforms=uniforms
            )
        return said._replace(loss=loss)

    def doubt_logits(self, input_ids, attention_mask=None, segments=None, position_ids=None):
        return self.discriminator(input_ids, attention_mask=attention_mask).logits
