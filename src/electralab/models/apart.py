"""Several texts in one row, kept apart: none sees another, and each counts its own positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig

from electralab.models.positions import first_position


def encoder_inputs(
    config: PretrainedConfig,
    *,
    dtype: torch.dtype,
    attention_mask: Tensor | None = None,
    segments: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> dict[str, Any]:
    """Returns what an encoder is given besides its tokens.

    Args:
        config: The encoder's; its attention decides the form of the mask.
        dtype: Of the attention scores.
        attention_mask: 1 at real tokens, of shape ``(batch, seq_len)``; none: all are real.
        segments: The number of a token's text in its row, 1 and up, 0 at pads, of the same shape;
            none: a text a row.
        position_ids: A token's place in its own text, from 0, of the same shape.
    """
    if segments is None:
        return {"attention_mask": attention_mask}
    return {
        "attention_mask": block_mask(segments, attention=config._attn_implementation, dtype=dtype),
        "position_ids": position_ids + first_position(config.model_type, config.pad_token_id),
    }


def block_mask(segments: Tensor, *, attention: str | None, dtype: torch.dtype) -> Any:
    """Returns a mask by which tokens see their own text only; pads see pads.

    Args:
        segments: Of shape ``(batch, seq_len)``.
        attention: ``eager``, ``sdpa`` or ``flex_attention``.
        dtype: Of the attention scores.

    Returns:
        A `BlockMask` for flex attention; else of shape ``(batch, 1, seq_len, seq_len)``, boolean
        for ``sdpa``, and 0 or the least number of the dtype for ``eager``.
    """
    if attention == "flex_attention":
        from torch.nn.attention.flex_attention import create_block_mask

        batch, length = segments.shape
        return create_block_mask(
            lambda b, _, q, kv: segments[b, q] == segments[b, kv],
            *(batch, None, length, length),
            device=segments.device,
        )
    return dense_mask(segments, segments, attention=attention, dtype=dtype)


def dense_mask(
    texts: Tensor, queries: Tensor | None, *, attention: str | None, dtype: torch.dtype
) -> Tensor:
    """Returns a mask by which tokens see those of one text.

    Args:
        texts: The number of each token's text, 0 at pads, of shape ``(batch, seq_len)``.
        queries: The numbers of the tokens that look, of shape ``(batch, queries)``; none: all see
            what is no pad.
        attention: ``sdpa`` for a boolean mask; else 0 and the least number of the dtype.
        dtype: Of the attention scores.

    Returns:
        Shape ``(batch, 1, queries, seq_len)``; of one row if all see the same.
    """
    keys = texts[:, None, None, :]
    seen = keys != 0 if queries is None else keys == queries[:, None, :, None]
    if attention == "sdpa":
        return seen
    hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return hidden.masked_fill_(~seen, torch.finfo(dtype).min)
