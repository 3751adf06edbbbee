"""Masks of dropout that are drawn four places at a time: exact shares, independent, seeded."""

from __future__ import annotations

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from electralab.models.dropout import STEPS, draw, fast_dropout
from tests.models.test_encoder import make_encoder

MANY = 4_000_000


def share(p: float) -> float:
    return round(p * STEPS) / STEPS


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.bool])
@pytest.mark.parametrize("p", [0.9, 0.5, 1 / 3, 1 / 256, 1 - 1 / 256])
def test_as_many_ones_as_asked_for(p, dtype):
    torch.manual_seed(1)
    drawn = draw(torch.empty(MANY, dtype=dtype), p)
    assert set(drawn.unique().tolist()) == {0, 1}
    ones = int((drawn == 1).sum())
    assert stats.binomtest(ones, MANY, share(p)).pvalue > 1e-4
    assert abs(share(p) - p) <= 0.5 / STEPS


def test_places_are_independent_of_their_neighbours():
    torch.manual_seed(2)
    drawn = draw(torch.empty(MANY // 8, 8), 0.75).bool().numpy()
    patterns = np.packbits(drawn, axis=1)[:, 0]  # eight places, from two random numbers
    counts = np.bincount(patterns, minlength=256)
    ones = np.array([number.bit_count() for number in range(256)])
    expected = 0.75**ones * 0.25 ** (8 - ones) * counts.sum()
    assert stats.chisquare(counts, expected).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 4, 5), (0, 4)])
def test_every_shape(shape):
    with fast_dropout():
        dropped = F.dropout(torch.ones(shape), 0.5)
    assert dropped.shape == shape
    assert ((dropped == 0) | (dropped == 2)).all()


def test_a_view_is_filled_and_what_lies_around_it_stays():
    whole = torch.full((6, 6), 7.0)
    draw(whole.t()[1:4, ::2], 0.5)
    inside = torch.zeros(6, 6, dtype=torch.bool)
    inside[::2, 1:4] = True
    assert (whole[~inside] == 7).all() and (whole[inside] < 2).all()


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-7, 1e-5, 1e-4, 0.0038, 1 - 1e-3, 1 - 1e-7])
def test_what_no_65536th_is_near_is_drawn_as_it_is(p):
    torch.manual_seed(0)
    drawn = draw(torch.empty(20_000_000), p)
    ones = int(drawn.sum(dtype=torch.float64))
    assert stats.binomtest(ones, len(drawn), p).pvalue > 1e-4


def test_a_generator_of_ones_own_is_used():
    first, second = (draw(torch.empty(99), 0.5, generator=own(3)) for _ in range(2))
    assert torch.equal(first, second) and not torch.equal(first, draw(torch.empty(99), 0.5))


def own(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_seed_decides_and_only_inside():
    def dropped() -> torch.Tensor:
        torch.manual_seed(5)
        return F.dropout(torch.ones(1000), 0.1)

    before = dropped()
    with fast_dropout():
        first, second = dropped(), dropped()
    assert torch.equal(first, second) and not torch.equal(first, before)
    assert torch.equal(dropped(), before)  # PyTorch's own is back


def test_no_warning_is_shown():
    # PyTorch gives it once in a process.
    program = (
        "import warnings; warnings.simplefilter('error')\n"
        "from electralab.models.dropout import fast_dropout\n"
        "with fast_dropout(): pass"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("p", [1.5, -0.1, math.nan])
def test_what_is_no_probability_is_refused_as_ever(p):
    with fast_dropout(), pytest.raises(RuntimeError, match=r"p to be in \[0, 1\]"):
        torch.empty(5).bernoulli_(p)


def test_it_ends_with_an_error_too():
    with pytest.raises(KeyError), fast_dropout():
        raise KeyError
    torch.manual_seed(5)
    after = F.dropout(torch.ones(1000), 0.1)
    torch.manual_seed(5)
    assert torch.equal(after, F.dropout(torch.ones(1000), 0.1))
    assert torch.equal(after != 0, _torchs_own(1000, 0.9))


def _torchs_own(places: int, p: float) -> torch.Tensor:
    torch.manual_seed(5)
    return torch.empty(places).bernoulli_(p).bool()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_pass_where_values_do_scaled_alike(dtype):
    x = torch.randn(64, 64, dtype=dtype, requires_grad=True)
    with fast_dropout():
        y = F.dropout(x, 0.1)
    y.backward(torch.ones_like(y))
    scale = torch.tensor(1 / 0.9, dtype=dtype)
    assert torch.equal(x.grad, (y != 0) * scale)
    assert torch.equal(y, x * x.grad)


def test_attention_of_sdpa_is_served_as_well():
    def mean(p: float) -> torch.Tensor:
        torch.manual_seed(0)
        q = torch.zeros(1, 1, 400, 8)  # each token looks at all others alike
        v = torch.eye(400)[None, None]
        return F.scaled_dot_product_attention(q, q, v, dropout_p=p)

    outside = mean(0.1)
    with fast_dropout():
        inside = mean(0.1)
    assert not torch.equal(inside, outside)
    kept = int((inside > 0).sum())
    assert stats.binomtest(kept, 400 * 400, share(0.9)).pvalue > 1e-4


def test_what_is_recomputed_meets_the_same_masks():
    def gradients(recompute: bool) -> list[torch.Tensor]:
        encoder = copy.deepcopy(ENCODER).train()
        if recompute:
            encoder.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(4)
        ids = torch.arange(5, 25)[None]
        with fast_dropout():
            encoder(input_ids=ids).last_hidden_state.square().mean().backward()
        return [p.grad for p in encoder.parameters() if p.grad is not None]

    for plain, again in zip(gradients(False), gradients(True), strict=True):
        assert torch.equal(plain, again)


ENCODER = make_encoder(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)


def test_the_mean_over_masks_is_the_model_without_dropout():
    layer = torch.nn.Linear(32, 8)
    x = torch.randn(1, 32)
    torch.manual_seed(0)
    with fast_dropout():
        outs = layer(F.dropout(x.expand(200_000, -1), 0.3))
    error = (outs.mean(0) - layer(x)[0]).abs() / (outs.std(0) / math.sqrt(len(outs)))
    assert (error < 4.5).all()
