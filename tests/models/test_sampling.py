"""Trap 3: the draw follows softmax(logits / temperature), in the tail and in half precision too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from electralab.models.random import uniform
from electralab.models.sampling import draw, running_sum, sample


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_chi_square_against_the_softmax(dtype, temperature):
    draws, vocab = 200_000, 50
    logits = (2 * torch.randn(vocab, generator=torch.Generator().manual_seed(1))).to(dtype)
    numbers = torch.from_numpy(uniform(9, 1, size=draws)[0])
    tokens = sample(logits.expand(draws, vocab), numbers, temperature=temperature)
    expected = torch.softmax(logits.double() / temperature, -1).numpy() * draws
    observed = np.bincount(tokens.numpy(), minlength=vocab)
    common = expected >= 5  # the chi-square approximation needs no nearly empty cells
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    if expected[-1] == 0:
        observed, expected = observed[:-1], expected[:-1]
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_tail_of_a_zipf_vocabulary_is_drawn(dtype):
    vocab, draws = 30_000, 20_000
    logits = -torch.log(torch.arange(1, vocab + 1).float()).to(dtype)
    numbers = torch.from_numpy(uniform(9, 2, size=draws)[0])
    tokens = torch.cat([sample(logits.expand(len(u), vocab), u) for u in numbers.split(500)])
    tail = torch.softmax(logits.double(), -1)[1000:].sum().item()
    assert stats.binomtest(int((tokens >= 1000).sum()), draws, tail).pvalue > 1e-3


def test_the_draw_inverts_the_distribution_function():
    logits = torch.log(torch.tensor([0.2, 0.0, 0.5, 0.3], dtype=torch.float64))
    numbers = torch.tensor([1e-9, 0.19, 0.21, 0.69, 0.71, 1 - 2**-24], dtype=torch.float64)
    assert sample(logits.expand(6, 4), numbers).tolist() == [0, 0, 2, 2, 3, 3]


def test_an_extreme_number_stays_inside_the_vocabulary():
    logits = torch.zeros(2, 30_522)
    tokens = sample(logits, torch.tensor([1 - 2**-24, 2**-24]))
    assert tokens.tolist()[0] < 30_522 and tokens.tolist()[1] == 0


def test_a_number_that_rounding_carries_past_a_block_draws_its_last_token_with_mass():
    mass = torch.rand(200, 128, generator=torch.Generator().manual_seed(0))
    mass[:, 100:] = 0  # what fills the vocabulary up
    assert (mass.sum(-1).double() > mass.double().sum(-1)).any()  # float32 sums are rounded
    numbers = torch.full((200,), 1 - 2.0**-40, dtype=torch.float64)
    assert (draw(mass, numbers) == 99).all()


@pytest.mark.parametrize("vocab", [3, 127, 128, 129, 1000])
def test_every_token_is_found_in_whatever_block_it_lies(vocab):
    logits = torch.randn(vocab, generator=torch.Generator().manual_seed(vocab)).double()
    ends = torch.softmax(logits, -1).cumsum(-1)
    middles = ends - torch.softmax(logits, -1) / 2
    found = sample(logits.expand(vocab, vocab), middles)
    assert found.tolist() == list(range(vocab))


def test_the_running_sum_needs_no_scan():
    """A scan of floats has no deterministic kernel on CUDA."""
    values = torch.rand(4, 300)
    torch.testing.assert_close(running_sum(values), values.double().cumsum(-1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(running_sum(values), running_sum(values.double()))
