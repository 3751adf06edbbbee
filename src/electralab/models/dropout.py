"""Dropout on a CPU, where its masks can take longer to draw than the layers between them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

STEPS = 1 << 16  # a place takes 16 random bits: probabilities are whole numbers of 1 / STEPS
_FEW = 1 << 8  # of them, or of all but them: too few to round to


@contextmanager
def fast_dropout() -> Iterator[None]:
    """Lets all dropout on a CPU, that of sdpa included, draw its masks four places at a time.

    PyTorch draws them one by one. The generator is the same, the default one; what a backward pass
    recomputes must be so in here as well. Every `Tensor.bernoulli_` by a number is drawn so, in all
    threads of the process.
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
        p: 0 to 1; rounded to a 65,536th, unless it is within a 256th of 0 or 1.
        generator: None: the default one.

    Returns:
        `out`.

    Raises:
        RuntimeError: `p` is no probability.
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    steps = round(p * STEPS)
    if generator is not None or not _FEW <= steps <= STEPS - _FEW:
        how = {"dtype": torch.float64, "device": out.device, "generator": generator}
        return out.copy_(torch.rand(out.shape, **how) < p)
    words = torch.empty(-(-out.numel() // 4), dtype=torch.int64, device=out.device)
    words.random_(-(1 << 63), None)
    bits = words.view(torch.int16)[: out.numel()].view(out.shape)
    return out.copy_(bits.lt_(steps - STEPS // 2))
