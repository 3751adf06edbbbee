"""Drawing the generator's tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128  # tokens whose probabilities are first added up together


def at_least_float32(values: Tensor) -> Tensor:
    """Returns half-precision values in float32, others as they are."""
    return values if values.dtype == torch.float64 else values.float()


def running_sum(values: Tensor) -> Tensor:
    """Sums along the last dimension up to each entry, of shape ``(..., n)``, in float64.

    By a product with a triangle of ones: unlike a scan it is deterministic on every device. Apple's
    GPUs have no float64 and get float32.
    """
    dtype = torch.float32 if values.device.type == "mps" else torch.float64
    size = values.shape[-1]
    return values.to(dtype) @ torch.ones(size, size, dtype=dtype, device=values.device).triu_()


@torch.no_grad()
def draw(mass: Tensor, uniforms: Tensor) -> Tensor:
    """Draws one token a row from probabilities that need not add up to 1, by inverse CDF.

    A uniform number finds a block of tokens first, then the token in it, so that no running sum
    over the whole vocabulary is needed.

    Args:
        mass: Not negative, in float32 or better, of shape ``(..., vocab_size)``; a multiple of
            `BLOCK`.
        uniforms: Numbers of the open interval (0, 1), of shape ``(...)``.

    Returns:
        Token ids of shape ``(...)``.
    """
    blocks = mass.unflatten(-1, (-1, BLOCK))
    sums = blocks.sum(-1)  # (..., blocks)
    upto = running_sum(sums)
    # The last entry is not exactly 1; scaling the draw keeps it inside the vocabulary.
    drawn = (uniforms.to(upto.dtype) * upto[..., -1]).unsqueeze(-1)  # (..., 1)
    block = (upto <= drawn).sum(-1, keepdim=True).clamp_(max=sums.shape[-1] - 1)
    rest = drawn - (upto - sums).gather(-1, block)
    index = block.unsqueeze(-1).expand(*block.shape, BLOCK)
    inside = blocks.gather(-2, index).squeeze(-2)  # (..., BLOCK)
    token = (running_sum(inside) <= rest).sum(-1)
    # Rounding may carry a number past the end of its block: that is its last token with mass.
    last = (torch.arange(BLOCK, device=mass.device) * (inside > 0)).amax(-1)
    return block.squeeze(-1) * BLOCK + torch.minimum(token, last)


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
    vocab_size = logits.shape[-1]
    scaled = at_least_float32(logits)
    if temperature != 1.0:
        scaled = scaled / temperature
    return draw(F.pad(scaled.softmax(-1), (0, -vocab_size % BLOCK)), uniforms)
