"""Dropout on a CPU, where its masks can take longer to draw than the layers between them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

STEPS = 1 << 16  # a place takes 16 random bits: probabilities are whole numbers of 1 / STEPS


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Lets all dropout on a CPU, that of sdpa included, draw its masks four places at a time.

    PyTorch draws them one by one, in one thread. The generator is the same, the default one; what a
    backward pass recomputes must be so in here as well.
    """
    replaced = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a kernel is replaced
        replaced.impl("bernoulli_.float", draw, "CPU")
    try:
        yield
    finally:
        del replaced  # and PyTorch's own is back


def draw(out: Tensor, p: float = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
    """Fills a tensor with ones, each with a probability of `p`, and zeros.

    Args:
        out: Of any shape and type, on the CPU.
        p: 0 to 1; rounded to a 65,536th, unless that is 0 or 1.
        generator: None: the default one.

    Returns:
        `out`.
    """
    steps = round(p * STEPS)
    if generator is not None or not 0 < steps < STEPS:
        uniform = torch.rand(out.shape, dtype=torch.float64, generator=generator)
        return out.copy_(uniform < p)
    words = torch.empty(-(-out.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
    bits = words.view(torch.int16)[: out.numel()].view(out.shape)
    return out.copy_(bits.lt_(steps - STEPS // 2))
