from __future__ import annotations

from electralab.training.sampler import EpochSampler


def test_each_epoch_is_a_new_order_of_all_examples():
    sampler = EpochSampler(100, seed=3)
    first = list(sampler)
    sampler.set_epoch(2)
    third = list(sampler)
    assert sorted(first) == list(range(100))
    assert sorted(third) == list(range(200, 300))  # the index says the epoch
    assert [i - 200 for i in third] != first


def test_the_order_depends_on_nothing_but_seed_and_epoch():
    one, other = EpochSampler(50, seed=3), EpochSampler(50, seed=3)
    list(one), list(one)
    one.set_epoch(1), other.set_epoch(1)
    assert list(one) == list(other)
    assert list(EpochSampler(50, seed=4)) != list(EpochSampler(50, seed=3))
