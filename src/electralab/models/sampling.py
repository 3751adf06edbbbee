"""Drawing the generator's tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Returns half-precision values in float32, others as they are."""
    return values if values.dtype == torch.float64 else values.float()


@torch.no_grad()
def sample(logits: Tensor, uniforms: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Draws one token a row from softmax(logits / temperature), by inverse CDF.

    One uniform number decides a draw, in float32 or better whatever the logits are in: the noise of
    a Gumbel draw in half precision loses the tail of the vocabulary.

    Args:
        logits: Of shape ``(..., vocab_size)``, any floating type.
        uniforms: Numbers of the open interval (0, 1), of shape ``(...)``.
        temperature: Above 0; 1 samples the generator's own distribution.

    Returns:
        Token ids of shape ``(...)``.
    """
    scaled = at_least_float32(logits)
    if temperature != 1.0:
        scaled = scaled / temperature
    cumulative = scaled.softmax(-1).cumsum_(-1)  # (..., V)
    # The last entry is not exactly 1; scaling the draw keeps it inside the vocabulary.
    draw = uniforms.to(cumulative.dtype) * cumulative[..., -1]
    token = torch.searchsorted(cumulative, draw.unsqueeze(-1), right=True).squeeze(-1)
    return token.clamp_(max=logits.shape[-1] - 1)
