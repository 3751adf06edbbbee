"""Loss, draws and guesses by chunks, against all logits at once in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from electralab.models.vocabulary import fill

BATCH, K, WIDTH = 3, 5, 8


def inputs(vocab: int, *, dtype=torch.float64) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(vocab)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(dtype)

    return {
        "hidden": normal(BATCH, K, WIDTH).requires_grad_(),
        "weight": normal(vocab, WIDTH).requires_grad_(),
        "bias": normal(vocab).requires_grad_(),
        "original": torch.randint(vocab, (BATCH, K), generator=draw),
        "chosen": torch.rand(BATCH, K, generator=draw) < 0.7,
        "uniforms": torch.rand(BATCH, K, generator=draw).clamp(1e-6, 1 - 1e-6),
    }


def slow(hidden, weight, bias, *, original, chosen, uniforms, temperature=1.0):
    """All logits at once; the draw goes through the tokens one by one."""
    logits = F.linear(hidden, weight, bias)
    nll = F.cross_entropy(logits.flatten(0, 1), original.flatten(), reduction="none")
    ends = torch.softmax(logits / temperature, -1).cumsum(-1)
    sampled = torch.searchsorted(ends, uniforms.double().unsqueeze(-1)).squeeze(-1)
    nll = nll.view_as(original)
    return (nll * chosen).sum(), nll, sampled, logits.argmax(-1) == original


@pytest.mark.parametrize("vocab", [90, 128, 300])  # a block is 128 tokens
@pytest.mark.parametrize("chunk", [None, 1, 800])  # all at once, a position each, some
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_chunks_give_the_loss_draws_and_gradients_of_all_logits_at_once(vocab, chunk, temperature):
    given = inputs(vocab)
    tables = [given[name] for name in ("hidden", "weight", "bias")]
    found = fill(**given, temperature=temperature, chunk=chunk)
    wanted = slow(**given, temperature=temperature)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(3 * found.loss, tables),
        torch.autograd.grad(3 * wanted[0], tables),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_what_fills_the_vocabulary_up_is_never_drawn():
    given = inputs(130)  # 126 rows short of two blocks
    given["bias"] = torch.full((130,), -5.0, dtype=torch.float64)
    given["uniforms"] = torch.full((BATCH, K), 1 - 2.0**-24)
    assert (fill(**given).sampled < 130).all()
    given["bias"][-1] = 50.0
    assert (fill(**given).sampled == 129).all()


def test_memory_does_not_grow_with_positions_times_vocabulary():
    class Largest(TorchDispatchMode):
        rows = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.shape[-1:] == (512,):
                rows = out.numel() // 512
                self.rows = max(self.rows, rows if rows != WIDTH else 0)  # the table itself
            return out

    given = inputs(512, dtype=torch.float32)
    for chunk, most in ((2 * 512, 2), (None, BATCH * K)):
        with Largest() as seen:
            fill(**given, chunk=chunk).loss.backward()
        assert seen.rows == most


def test_without_gradients_none_are_computed():
    class Products(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
            return func(*args, **(kwargs or {}))

    given = inputs(128)
    counts = []
    for mode in (torch.enable_grad, torch.no_grad):
        with mode(), Products() as seen:
            fill(**given)
        counts.append(seen.count)
    assert counts[0] - counts[1] == 2  # by the table, by its input


def test_in_half_precision_only_products_are_rounded():
    """Losses, draws and sums of gradients are those of float32 from logits in bfloat16."""
    given = inputs(300, dtype=torch.float32)
    tables = [given[name] for name in ("hidden", "weight", "bias")]
    with torch.autocast("cpu", torch.bfloat16):
        found = fill(**given, chunk=1)
        whole = fill(**given)
    assert found.loss.dtype == found.token_nll.dtype == torch.float32
    halves = [table.detach().bfloat16() for table in tables]
    logits = F.linear(*halves)
    nll = F.cross_entropy(
        logits.double().flatten(0, 1), given["original"].flatten(), reduction="none"
    )
    torch.testing.assert_close(found.token_nll.flatten(), nll.float(), rtol=1e-5, atol=1e-5)
    ends = torch.softmax(logits.double(), -1).cumsum(-1)
    drawn = torch.searchsorted(ends, given["uniforms"].double().unsqueeze(-1)).squeeze(-1)
    assert (found.sampled == drawn).double().mean() > 0.9
    exact = torch.autograd.grad(slow(**given)[0], tables)
    for half, other, wanted in zip(
        torch.autograd.grad(found.loss, tables),
        torch.autograd.grad(whole.loss, tables),
        exact,
        strict=True,
    ):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, other, rtol=0.02, atol=0.02)
        torch.testing.assert_close(half, wanted, rtol=0.05, atol=0.05)
