"""The order of the examples: all of them once an epoch, by seed and epoch alone, alike together."""

from __future__ import annotations

import numpy as np
import pytest

from electralab.training.sampler import BATCHES, MORE, EpochSampler, LengthBatches

SIZE = 16


def lengths_of(count: int) -> np.ndarray:
    """Lengths with a long tail, as texts have them."""
    return np.random.default_rng(0).lognormal(3, 0.8, count).astype(np.int64).clip(3, 300)


def make(count: int, *, alike: bool, seed: int = 3) -> EpochSampler:
    lengths = lengths_of(count) if alike else None
    return EpochSampler(count, seed=seed, lengths=lengths, batch_size=SIZE)


def epoch_of(sampler: EpochSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return list(sampler)


def pads(order: list[int], lengths: np.ndarray) -> int:
    """Counts the pads of an epoch whose batches are as long as their longest example."""
    batches = [lengths[order[start : start + SIZE]] for start in range(0, len(order), SIZE)]
    return sum(int(len(batch) * batch.max() - batch.sum()) for batch in batches)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("count", [1, SIZE - 1, SIZE, 100, SIZE * BATCHES + 5, 2003])
def test_each_epoch_holds_every_example_once(count, alike):
    sampler = make(count, alike=alike)
    for epoch in (0, 1, 5):
        order = epoch_of(sampler, epoch)
        # The index says the epoch, for workers see nothing else.
        assert sorted(order) == list(range(epoch * count, (epoch + 1) * count))
        assert len(sampler) == count


@pytest.mark.parametrize("alike", [False, True])
def test_each_epoch_and_each_seed_is_another_order(alike):
    one, other = make(500, alike=alike), make(500, alike=alike, seed=4)
    first, third = epoch_of(one, 0), epoch_of(one, 2)
    assert [index - 1000 for index in third] != first
    assert epoch_of(other, 0) != first
    assert first != sorted(first)


@pytest.mark.parametrize("alike", [False, True])
def test_the_order_depends_on_nothing_but_seed_and_epoch(alike):
    """So a resumed run goes on where it stood, whatever was drawn before."""
    one, resumed = make(500, alike=alike), make(500, alike=alike)
    epoch_of(one, 0), epoch_of(one, 1)
    np.random.default_rng(3).permutation(9)
    np.random.seed(9)
    assert epoch_of(one, 2) == epoch_of(resumed, 2)


@pytest.mark.parametrize("count", [3000, 3000 + 7])
def test_batches_of_like_lengths_have_few_pads(count):
    lengths = lengths_of(count)
    alike = pads(epoch_of(make(count, alike=True), 0), lengths)
    anyhow = pads(epoch_of(make(count, alike=False), 0), lengths)
    assert alike < 0.2 * anyhow
    real = int(lengths.sum())
    assert alike < 0.1 * (real + alike)  # of all tokens, a tenth at most


def test_batches_come_in_any_order_of_lengths():
    """Long batches at one end of an epoch would make its end another task than its beginning."""
    count = SIZE * BATCHES * 2
    lengths = lengths_of(count)
    order = epoch_of(make(count, alike=True), 0)
    means = lengths[order].reshape(-1, SIZE).mean(1)
    position = np.arange(len(means))
    assert abs(np.corrcoef(position, means)[0, 1]) < 0.3


def test_no_two_epochs_have_the_same_batches():
    count = 3000
    sampler = make(count, alike=True)
    batches = [
        {
            frozenset(i % count for i in order[start : start + SIZE])
            for start in range(0, count, SIZE)
        }
        for order in (epoch_of(sampler, 0), epoch_of(sampler, 1))
    ]
    assert not batches[0] & batches[1]


def test_what_fills_no_batch_comes_last():
    """Else the loader, which counts, would cut the batches apart."""
    count = SIZE * 5 + 3
    lengths = lengths_of(count)
    order = epoch_of(make(count, alike=True), 0)
    spread = [np.ptp(lengths[order[start : start + SIZE]]) for start in range(0, SIZE * 5, SIZE)]
    whole = np.sort(lengths)[::-1]
    best = [np.ptp(whole[start : start + SIZE]) for start in range(0, SIZE * 5, SIZE)]
    assert sorted(spread) == sorted(best)


@pytest.mark.parametrize("count", [0, 1, 70, 1003])
def test_an_evaluation_reads_each_row_once_and_no_batch_is_larger_than_the_first(count):
    lengths = lengths_of(count)
    batches = list(LengthBatches(lengths, batch_size=SIZE))
    assert sorted(row for batch in batches for row in batch) == list(range(count))
    sizes = [len(batch) * lengths[batch].max() for batch in batches]
    assert all(size <= SIZE * lengths.max() for size in sizes)
    assert all(len(batch) <= MORE * SIZE for batch in batches)
    assert len(batches) == len(LengthBatches(lengths, batch_size=SIZE))
    if count > 1000:
        assert len(batches) < 0.7 * count / SIZE  # and fewer of them than by counting
