"""The pair of replaced token detection: a generator that fills in, a discriminator that doubts.

Clark et al. 2020, "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
section 2. The generator's last layer and the vocabulary are computed at the chosen positions only,
and nothing is read back from the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from electralab.models.encoder import encode
from electralab.models.sampling import at_least_float32
from electralab.models.statistics import RtdStatistics
from electralab.models.vocabulary import Filled, fill

_EMBEDDINGS = (
    "word_embeddings.weight",
    "position_embeddings.weight",
    "token_type_embeddings.weight",
    "LayerNorm.weight",
    "LayerNorm.bias",
)


class RtdPairConfig(PretrainedConfig):
    """Configuration of an `RtdPair`.

    Args:
        generator: Configuration of the generator.
        discriminator: Configuration of the discriminator, with the generator's `vocab_size`.
        share_embeddings: ``all`` ties token, position and type embeddings, their LayerNorm and the
            generator's output table; ``none`` ties only the generator's own two tables.
        gen_weight: Weight of the generator's loss.
        disc_weight: Weight of the discriminator's loss, λ of equation (2).
        sampling_temperature: Of the generator's draws, above 0.
    """

    model_type = "electralab-rtd"
    sub_configs: ClassVar = {"generator": ElectraConfig, "discriminator": ElectraConfig}

    def __init__(
        self,
        *,
        generator: ElectraConfig | dict[str, Any] | None = None,
        discriminator: ElectraConfig | dict[str, Any] | None = None,
        share_embeddings: str = "all",
        gen_weight: float = 1.0,
        disc_weight: float = 50.0,
        sampling_temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.generator = _electra_config(generator)
        self.discriminator = _electra_config(discriminator)
        self.share_embeddings = share_embeddings
        self.gen_weight = gen_weight
        self.disc_weight = disc_weight
        self.sampling_temperature = sampling_temperature
        # With shared tables the pair ties the output table itself, and only once.
        self.generator.tie_word_embeddings = share_embeddings == "none"
        kwargs["tie_word_embeddings"] = share_embeddings == "all"
        super().__init__(**kwargs)


def _electra_config(config: ElectraConfig | dict[str, Any] | None) -> ElectraConfig:
    if isinstance(config, ElectraConfig):
        return config
    return ElectraConfig(**(config or {}))


@dataclass
class RtdOutput(ModelOutput):
    """What one pass of the pair gives.

    Attributes:
        loss: ``gen_weight · mlm + disc_weight · disc``, a scalar.
        statistics: Sums for the metrics, of shape ``(len(RtdStatistics.names),)``.
        sampled: The generator's draws at the chosen positions, of shape ``(batch, K)``.
        corrupted_ids: What the discriminator reads, of shape ``(batch, seq_len)``.
        replaced: Where a token is not the original, boolean, of shape ``(batch, seq_len)``.
        disc_logits: Above 0 where the discriminator doubts, of shape ``(batch, seq_len)``.
        token_nll: The generator's loss at the chosen positions in nats, of shape ``(batch, K)``.
        guessed: Where its likeliest token is the original, of shape ``(batch, K)``.
        probe_logits: As `disc_logits`, of the probe's corruption.
    """

    loss: Tensor | None = None
    statistics: Tensor | None = None
    sampled: Tensor | None = None
    corrupted_ids: Tensor | None = None
    replaced: Tensor | None = None
    disc_logits: Tensor | None = None
    token_nll: Tensor | None = None
    guessed: Tensor | None = None
    probe_logits: Tensor | None = None


class RtdPair(PreTrainedModel):
    """Generator and discriminator, trained together.

    Args:
        config: Sizes and weights of both.
    """

    config_class = RtdPairConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: RtdPairConfig) -> None:
        super().__init__(config)
        self.generator = ElectraForMaskedLM(config.generator)
        self.discriminator = ElectraForPreTraining(config.discriminator)
        if config.share_embeddings == "all":
            table = "discriminator.electra.embeddings."
            self._tied_weights_keys = {
                f"generator.electra.embeddings.{name}": table + name for name in _EMBEDDINGS
            } | {"generator.generator_lm_head.weight": table + "word_embeddings.weight"}
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        """Returns the discriminator's token table."""
        return self.discriminator.get_input_embeddings()

    def _init_weights(self, module: torch.nn.Module) -> None:
        self.discriminator._init_weights(module)

    def fill_logits(
        self,
        input_ids: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None = None,
        segments: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Returns the generator's logits at some positions, of shape ``(batch, K, vocab_size)``.

        Args:
            input_ids: Masked token ids of shape ``(batch, seq_len)``.
            positions: Of shape ``(batch, K)``.
            attention_mask: 1 at real tokens, of shape ``(batch, seq_len)``; none: all are real.
            segments: The number of a token's text in its row, 1 and up, 0 at pads, of the same
                shape; none: a text a row.
            position_ids: A token's place in its own text, of the same shape.
        """
        hidden = self._fill_hidden(input_ids, positions, attention_mask, segments, position_ids)
        return self.generator.generator_lm_head(hidden)

    def _fill_hidden(self, input_ids: Tensor, positions: Tensor, *marks: Tensor | None) -> Tensor:
        """Returns what the output table is multiplied with, of shape ``(batch, K, width)``."""
        hidden = encode(self.generator.electra, input_ids, *marks, positions=positions)
        return self.generator.generator_predictions(hidden)

    def doubt_logits(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        segments: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Returns logits of shape ``(batch, seq_len)``, above 0 where a token looks replaced."""
        marks = (attention_mask, segments, position_ids)
        hidden = encode(self.discriminator.electra, input_ids, *marks)
        return at_least_float32(self.discriminator.discriminator_predictions(hidden))

    def _fill(
        self,
        masked_ids: Tensor,
        positions: Tensor,
        *marks: Tensor | None,
        original: Tensor,
        chosen: Tensor,
        uniforms: Tensor,
    ) -> Filled:
        """Returns what the generator says at the chosen positions."""
        head = self.generator.generator_lm_head
        return fill(
            self._fill_hidden(masked_ids, positions, *marks),
            *(head.weight, head.bias),
            original=original,
            chosen=chosen,
            uniforms=uniforms,
            temperature=self.config.sampling_temperature,
        )

    def forward(
        self,
        input_ids: Tensor,
        masked_ids: Tensor,
        positions: Tensor,
        chosen: Tensor,
        uniforms: Tensor,
        attention_mask: Tensor | None = None,
        segments: Tensor | None = None,
        position_ids: Tensor | None = None,
        probe_ids: Tensor | None = None,
        maskable: Tensor | None = None,
        totals: Tensor | None = None,
    ) -> RtdOutput:
        """Runs one step of replaced token detection.

        Args:
            input_ids: The original tokens, of shape ``(batch, seq_len)``.
            masked_ids: What the generator reads, of the same shape.
            positions: Distinct positions a row, of shape ``(batch, K)``.
            chosen: Which of them were chosen; the others only fill the row.
            uniforms: A number of (0, 1) for each draw, of shape ``(batch, K)``.
            attention_mask: 1 at real tokens; none where every token is real.
            segments: The number of a token's text in its row; none: a text a row.
            position_ids: A token's place in its own text.
            probe_ids: A corruption that depends on no generator, to be judged as well.
            maskable: Where a token could have been chosen; only the metrics use it.
            totals: Chosen positions and real tokens of the whole effective batch, by which the
                losses are divided, of shape ``(2,)``; none: those of this batch.
        """
        marks = (attention_mask, segments, position_ids)
        original = input_ids.gather(1, positions)  # (B, K)
        draws = {"original": original, "chosen": chosen, "uniforms": uniforms}
        filled = self._fill(masked_ids, positions, *marks, **draws)

        with torch.no_grad():
            sampled = torch.where(chosen, filled.sampled, original)
            # A correct guess is an original token.
            corrupted = input_ids.scatter(1, positions, sampled)  # (B, L)
            replaced = corrupted != input_ids
            real = torch.ones_like(replaced) if attention_mask is None else attention_mask.bool()

        disc_logits = self.doubt_logits(corrupted, *marks)  # (B, L)
        bce = F.binary_cross_entropy_with_logits(
            disc_logits, replaced.to(disc_logits.dtype), reduction="none"
        )
        disc_sum = (bce * real).sum()
        if totals is None:
            totals = torch.stack([chosen.sum(), real.sum()])
        totals = totals.clamp(min=1)
        loss = (
            self.config.gen_weight * filled.loss / totals[0]
            + self.config.disc_weight * disc_sum / totals[1]
        )
        statistics = RtdStatistics.collect(
            mlm_sum=filled.loss,
            disc_sum=disc_sum,
            chosen=chosen,
            guessed=filled.guessed,
            real=real,
            replaced=replaced,
            doubted=disc_logits > 0,
        )
        return RtdOutput(
            loss=loss,
            statistics=statistics,
            sampled=sampled,
            corrupted_ids=corrupted,
            replaced=replaced,
            disc_logits=disc_logits,
            token_nll=filled.token_nll,
            guessed=filled.guessed,
            probe_logits=None if probe_ids is None else self.doubt_logits(probe_ids, *marks),
        )
