"""Floating-point operations that a model has to spend on a batch, forward and backward.

Chowdhery et al. 2022, "PaLM: Scaling Language Modeling with Pathways", appendix B: of each token, 6
a weight of the matrices that it meets (2 forward, 4 backward), and 12 a layer, unit of width and
token that it looks at. Counted is what the real tokens need, whatever is computed: no pads, nothing
twice to save memory, no head where it is not asked, no last layer but its keys and values where no
head looks, no look at another text of the row; no norms, activations and look-ups in tables either.
The half that a decoder's attention hides counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import ElectraConfig, PretrainedConfig, PreTrainedModel

# Matrices in an encoder that make keys and values, of layers whose queries may be fewer.
_KEYS = re.compile(r"attention\.(self\.)?(key|value|k_lin|v_lin)$")
# Those in a decoder that make them of what was read.
_CROSS = re.compile(
    r"(encoder_attn|EncDecAttention|crossattention)\.(.*\.)?(k|v|key|value)(_proj)?$"
)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a model costs, in FLOPs.

    Attributes:
        token: A real token of what is read.
        pair: A real token that looks at one of its own text, which may be itself.
        chosen: A position at which the vocabulary is computed.
        text: A text, of which a head looks at one position.
        target: A token of what is written.
        target_pair: One of these that looks at one of its own text.
        cross_pair: One of these that looks at a token of what is read.
    """

    token: float
    pair: float
    chosen: float = 0.0
    text: float = 0.0
    target: float = 0.0
    target_pair: float = 0.0
    cross_pair: float = 0.0

    def of(self, batch: Mapping[str, Tensor]) -> Tensor | float:
        """Returns the FLOPs of a batch; on its device, where they need more than its shape.

        Args:
            batch: ``input_ids`` of shape ``(batch, seq_len)``, and as the model has them
                ``attention_mask`` and ``segments`` (the number of a token's text in its row, 0 at
                pads) of the same shape, ``chosen`` of shape ``(batch, K)`` and, of what is
                written, ``labels`` of shape ``(batch, target)``, negative where nothing counts.
        """
        lengths = _lengths(batch)
        if lengths is None:
            rows, length = batch["input_ids"].shape
            total = rows * (length * self.token + length**2 * self.pair + self.text)
        else:
            total = (lengths * self.token + lengths**2 * self.pair).sum()
            total = total + (lengths > 0).sum() * self.text
        if self.chosen:
            total = total + batch["chosen"].sum() * self.chosen
        if self.target:
            written = _real(batch["labels"] >= 0)
            read = batch["input_ids"].shape[1] if lengths is None else lengths
            each = self.target + self.target_pair * written + self.cross_pair * read
            total = total + (written * each).sum()
        return total

    def of_a_token(self, *, length: int, chosen: float = 0.0) -> float:
        """Returns the FLOPs of a token of full rows.

        Args:
            length: Tokens of a row.
            chosen: The share of positions at which the vocabulary is computed.
        """
        return self.token + length * self.pair + chosen * self.chosen


def pair_costs(*, generator: ElectraConfig, discriminator: ElectraConfig) -> Costs:
    """Returns what replaced token detection costs.

    The generator's last layer is needed at the chosen positions alone, but for its keys and values;
    what these positions look at in it is too little to count.

    Args:
        generator: Its sizes.
        discriminator: Likewise; its head is needed at every real token.
    """
    gen, disc = generator, discriminator
    keys_and_values = 2 * gen.hidden_size**2
    last = _layer(gen) - keys_and_values
    head = gen.embedding_size * (gen.hidden_size + gen.vocab_size)
    token = _projection(gen) + _layer(gen) * gen.num_hidden_layers - last
    token += _projection(disc) + _layer(disc) * disc.num_hidden_layers
    token += disc.hidden_size**2 + disc.hidden_size  # the discriminator's head
    looks = (gen.num_hidden_layers - 1) * gen.hidden_size
    looks += disc.num_hidden_layers * disc.hidden_size
    return Costs(token=6 * token, pair=12 * looks, chosen=6 * (last + head))


def encoder_costs(model: PreTrainedModel, *, head: str) -> Costs:
    """Returns what an encoder with a head costs, of any architecture that is made of matrices.

    An encoder that learns nothing costs no way back. A head for texts looks at their first tokens,
    so that the last layer of a BERT or its like is needed there alone.

    Args:
        model: Any of `AutoModelForMaskedLM` or `AutoModelForSequenceClassification`.
        head: Where it looks: at the ``chosen`` positions, or at one of each ``text``.
    """
    encoder, config = model.base_model, model.config
    learns = any(parameter.requires_grad for parameter in encoder.parameters())
    weights = {name: size for name, size in _matrices(encoder).items() if "pooler" not in name}
    # An ALBERT goes through the same layers again and again.
    layers = config.num_hidden_layers
    again = layers / getattr(config, "num_hidden_groups", layers)
    token = sum(size * (again if "layer_groups" in name else 1) for name, size in weights.items())
    rest = 0 if encoder is model else sum(_matrices(model).values()) - sum(weights.values())
    thin = _needed_at_heads(encoder, layers) if head == "text" else 0
    share = 1 if learns else 1 / 3
    return Costs(
        token=6 * (token - thin) * share,
        pair=12 * (layers - bool(thin)) * _width(config) * share,
        **{head: 6 * (rest + thin * share)},
    )


def translation_costs(model: PreTrainedModel) -> Costs:
    """Returns what an encoder with a decoder costs.

    Args:
        model: Any of `AutoModelForSeq2SeqLM`.
    """
    config, width = model.config, _width(model.config)
    decoder = _matrices(model.get_decoder())
    read = sum(size for name, size in decoder.items() if _CROSS.search(name))
    token = sum(_matrices(model.get_encoder()).values()) + read
    layers = getattr(config, "decoder_layers", None) or getattr(config, "num_decoder_layers", None)
    looks = 12.0 * (layers or config.num_hidden_layers) * width
    return Costs(
        token=6 * token,
        pair=12 * config.num_hidden_layers * width,
        target=6 * (sum(_matrices(model).values()) - token),
        target_pair=looks,
        cross_pair=looks,
    )


def _lengths(batch: Mapping[str, Tensor]) -> Tensor | None:
    """Returns the real tokens of each text, 0 where there is none; none: all rows are full."""
    segments, mask = batch.get("segments"), batch.get("attention_mask")
    if segments is not None:
        rows, length = segments.shape
        counts = segments.new_zeros(rows, length + 1)
        ones = torch.ones_like(segments)
        return _number(counts.scatter_add_(1, segments, ones)[:, 1:])  # (B, L)
    return None if mask is None else _real(mask)


def _real(mask: Tensor) -> Tensor:
    return _number(mask.sum(1))  # (B,)


def _number(counts: Tensor) -> Tensor:
    """Makes counts numbers whose squares and sums are exact enough; Apple's GPUs have no better."""
    return counts.to(torch.float32 if counts.device.type == "mps" else torch.float64)


def _layer(config: ElectraConfig) -> int:
    return 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size


def _projection(config: ElectraConfig) -> int:
    narrow, wide = config.embedding_size, config.hidden_size
    return narrow * wide if narrow != wide else 0


def _needed_at_heads(encoder: nn.Module, layers: int) -> int:
    """Returns the weights of the last layer that are needed only where a head looks."""
    stacks = (part for part in encoder.modules() if isinstance(part, nn.ModuleList))
    last = next((_matrices(stack[-1]) for stack in stacks if len(stack) == layers), {})
    needed = [size for name, size in last.items() if not _KEYS.search(name)]
    return sum(needed) if len(needed) < len(last) else 0


def _matrices(module: nn.Module) -> dict[str, int]:
    """Returns the weights of the matrices by which tokens are multiplied, by their names."""
    return {
        name: part.weight.numel()
        for name, part in module.named_modules()
        if not isinstance(part, nn.Embedding)
        and isinstance(getattr(part, "weight", None), Tensor)
        and part.weight.dim() == 2
    }


def _width(config: PretrainedConfig) -> int:
    """Returns the width of all heads of an attention layer together."""
    heads, each = config.num_attention_heads, getattr(config, "head_dim", None)
    return heads * each if each else config.hidden_size
