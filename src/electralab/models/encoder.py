"""An ELECTRA encoder that computes its last layer only where something is asked of it.

The last layer's output at a position depends on the others through their keys and values alone. So
at positions that no head looks at, its queries, its feed-forward part and their gradients are left
out. The modules are those of 🤗's `ElectraModel`: weights and files are the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ElectraModel, PretrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.electra.modeling_electra import ElectraLayer, eager_attention_forward

from electralab.models.apart import block_mask, dense_mask


def pick(values: Tensor, positions: Tensor) -> Tensor:
    """Picks positions: ``(batch, seq_len, n)`` and ``(batch, K)`` give ``(batch, K, n)``."""
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def autocast_dtype(values: Tensor) -> torch.dtype | None:
    """Returns what a product of these values is computed in by autocast, if it is on."""
    kind = values.device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if on else None


def encode(
    electra: ElectraModel,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    segments: Tensor | None = None,
    position_ids: Tensor | None = None,
    *,
    positions: Tensor | None = None,
) -> Tensor:
    """Returns the encoder's output, of shape ``(batch, seq_len, hidden_size)``.

    Args:
        electra: The encoder; dropout and gradient checkpointing are as it has them.
        input_ids: Of shape ``(batch, seq_len)``.
        attention_mask: 1 at real tokens, of shape ``(batch, seq_len)``; none: all are real.
        segments: The number of a token's text in its row, 1 and up, 0 at pads, of the same shape;
            none: a text a row.
        position_ids: A token's place in its own text, of the same shape.
        positions: Where alone the output is wanted, of shape ``(batch, K)``, which is the result's
            shape then; none: everywhere.
    """
    hidden = electra.embeddings(input_ids=input_ids, position_ids=position_ids)
    if hasattr(electra, "embeddings_project"):
        hidden = electra.embeddings_project(hidden)  # (B, L, H)
    dtype = autocast_dtype(hidden) or hidden.dtype
    texts = attention_mask if segments is None else segments
    mask = _mask(electra.config, texts, dtype=dtype, one_text=segments is None)
    whole = len(electra.encoder.layer) - (positions is not None)
    for layer in electra.encoder.layer[:whole]:
        hidden = layer(hidden, mask)
    if positions is None:
        return hidden
    last = electra.encoder.layer[-1]
    # Kernels with masks of their own form expect as many queries as keys.
    name = electra.config._attn_implementation
    name = name if name in ("eager", "sdpa") else "sdpa"
    if texts is not None:
        queries = None if segments is None else segments.gather(1, positions)
        mask = dense_mask(texts, queries, attention=name, dtype=dtype)
    run = partial(_layer_at, last, attention=name)
    if last.gradient_checkpointing and last.training:
        return last._gradient_checkpointing_func(run, hidden, positions, mask)
    return run(hidden, positions, mask)


def _mask(
    config: PretrainedConfig, texts: Tensor | None, *, dtype: torch.dtype, one_text: bool
) -> Any:
    """Returns the mask of whole layers, made without reading anything back from the device.

    🤗 looks whether every token is real before it makes one, and waits for the device to say.

    Args:
        config: The encoder's; its attention decides the form of the mask.
        texts: The number of a token's text in its row, 0 at pads, of shape ``(batch, seq_len)``;
            none: no mask is needed.
        dtype: Of the attention scores.
        one_text: Whether a row holds one text, so that hiding its pads from all is enough.
    """
    name = config._attn_implementation
    if texts is None or (one_text and name.startswith("flash")):
        return texts
    if one_text and name != "flex_attention":
        return dense_mask(texts, None, attention=name, dtype=dtype)
    return block_mask(texts, attention=name, dtype=dtype)


def _layer_at(
    layer: ElectraLayer, hidden: Tensor, positions: Tensor, mask: Tensor | None, *, attention: str
) -> Tensor:
    """Computes a layer at some positions, of shape ``(batch, K, hidden_size)``."""
    own = layer.attention.self
    asked = pick(hidden, positions)  # (B, K, H)

    def heads(project: nn.Linear, values: Tensor) -> Tensor:  # (B, heads, n, head_size)
        return project(values).unflatten(-1, (-1, own.attention_head_size)).transpose(1, 2)

    attend = ALL_ATTENTION_FUNCTIONS.get_interface(attention, eager_attention_forward)
    mixed, _ = attend(
        own,
        *(heads(own.query, asked), heads(own.key, hidden), heads(own.value, hidden)),
        mask,
        dropout=own.dropout.p if layer.training else 0.0,
        scaling=own.scaling,
    )
    return layer.feed_forward_chunk(layer.attention.output(mixed.flatten(2), asked))
