"""What a generator says at the chosen positions: its loss and its draws, chunk by chunk.

Logits, their exponentials and their gradient share one buffer of a few million numbers that goes
over the positions, so that memory does not grow with positions times vocabulary. The gradient of a
cross-entropy is known as soon as the probabilities are (softmax less the right token), so it is
taken on the way forward and nothing is computed twice (Hsu et al. 2024, "Liger Kernel", section 3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from electralab.models.encoder import autocast_dtype
from electralab.models.sampling import BLOCK, at_least_float32, draw

# Numbers in a chunk of logits: few for a CPU's cache; an accelerator wants large products.
_CHUNK = {"cpu": 2**21}
_LARGE_CHUNK = 2**26


class Filled(NamedTuple):
    """What a generator says at the chosen positions.

    Attributes:
        loss: Sum of the cross-entropies in nats at the chosen positions; the gradient goes by it.
        token_nll: Of each position, of shape ``(batch, K)``.
        sampled: Tokens drawn, of the same shape.
        guessed: Where the likeliest token is the original, of the same shape.
    """

    loss: Tensor
    token_nll: Tensor
    sampled: Tensor
    guessed: Tensor


def fill(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    original: Tensor,
    chosen: Tensor,
    uniforms: Tensor,
    temperature: float = 1.0,
    chunk: int | None = None,
) -> Filled:
    """Computes a generator's loss, draws and guesses.

    Args:
        hidden: What the output table is multiplied with, of shape ``(batch, K, width)``.
        weight: The output table, of shape ``(vocab_size, width)``.
        bias: Of shape ``(vocab_size,)``.
        original: The right tokens, of shape ``(batch, K)``.
        chosen: Which positions count for the loss, of the same shape.
        uniforms: A number of (0, 1) for each draw, of the same shape.
        temperature: Of the draws.
        chunk: Logits that are held at a time; none: as suits the device.
    """
    # Rows of a whole number of blocks suit matrix units as well; what fills up is never drawn.
    missing = -weight.shape[0] % BLOCK
    if missing:
        weight = F.pad(weight, (0, 0, 0, missing))
        bias = F.pad(bias, (0, missing), value=-torch.inf)
    largest = chunk or _CHUNK.get(hidden.device.type, _LARGE_CHUNK)
    loss, nll, sampled, guessed = _Fill.apply(
        *(hidden.flatten(0, 1), weight, bias),
        *(original.flatten(), chosen.flatten(), uniforms.flatten(), temperature),
        *(max(1, largest // weight.shape[0]), torch.is_grad_enabled()),
    )
    return Filled(loss, nll.view_as(original), sampled.view_as(original), guessed.view_as(original))


class _Fill(torch.autograd.Function):
    """The loss with its gradients, and the draws, over chunks of positions."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        original: Tensor,
        chosen: Tensor,
        uniforms: Tensor,
        temperature: float,
        rows: int,
        differentiable: bool,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        dtype = autocast_dtype(hidden) or weight.dtype
        table, offsets = weight.to(dtype), bias.to(dtype)  # once, not chunk by chunk
        parts: list[tuple[Tensor, ...]] = []
        grad_hidden: list[Tensor] = []
        grad_weight = grad_bias = None
        chunks = zip(
            *(values.split(rows) for values in (hidden, original, chosen, uniforms)), strict=True
        )
        for inputs, target, counts, numbers in chunks:
            inputs = inputs.to(dtype)
            scores = at_least_float32(F.linear(inputs, table, offsets))  # (n, V)
            peak, likeliest = scores.max(-1, keepdim=True)
            right = scores.gather(-1, target.unsqueeze(-1))
            tempered = None
            if temperature != 1.0:
                tempered = scores.sub(peak).div_(temperature).exp_()
            mass = scores.sub_(peak).exp_()
            total = mass.sum(-1, keepdim=True)
            nll = (total.log() + peak - right).squeeze(-1)
            sampled = draw(mass if tempered is None else tempered, numbers)
            parts.append((nll, sampled, likeliest.squeeze(-1) == target))
            if not differentiable:
                continue
            share = counts.unsqueeze(-1).to(mass.dtype)
            gradient = mass.mul_(share / total)  # of the loss by the scores
            index = target.unsqueeze(-1)
            gradient.scatter_(-1, index, gradient.gather(-1, index) - share)
            by_bias = gradient.sum(0)
            gradient = gradient.to(dtype)
            grad_hidden.append(gradient @ table)
            by_weight = gradient.t() @ inputs
            if grad_weight is None:
                grad_weight, grad_bias = by_weight.to(weight.dtype), by_bias
            else:
                grad_weight, grad_bias = grad_weight.add_(by_weight), grad_bias.add_(by_bias)
        nll, sampled, guessed = (torch.cat(values) for values in zip(*parts, strict=True))
        if differentiable:
            by_hidden = torch.cat(grad_hidden).to(hidden.dtype)
            ctx.save_for_backward(by_hidden, grad_weight, grad_bias.to(bias.dtype))
        ctx.mark_non_differentiable(nll, sampled, guessed)
        return (nll * chosen).sum(), nll, sampled, guessed

    @staticmethod
    def backward(ctx: Any, scale: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        gradients = (gradient * scale.to(gradient.dtype) for gradient in ctx.saved_tensors)
        return (*gradients, *[None] * 6)
