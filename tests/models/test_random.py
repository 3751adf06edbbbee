from __future__ import annotations

import numpy as np
from scipy import stats

from electralab.models.random import random_bits, uniform


def splitmix64(state: int) -> int:
    """One output of SplitMix64, written out with Python's integers from the paper."""
    mask = 2**64 - 1
    z = (state + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_words_equal_splitmix64_in_plain_integers():
    state = 0
    for part in (3, 1234, 5):
        state = splitmix64(state ^ part)
    expected = []
    for _ in range(6):
        expected.append(splitmix64(state))
        state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
    assert random_bits(3, 1234, 5, size=6)[0].tolist() == expected


def test_known_first_outputs_of_splitmix64():
    # The reference outputs of seed 0 that implementations of the algorithm publish.
    assert splitmix64(0) == 0xE220A8397B1DCDAF


def test_uniform_is_open_and_survives_float32():
    values = uniform(0, 1, 2, np.arange(200), size=5000)
    assert values.dtype == np.float32
    assert values.min() > 0 and values.max() < 1
    assert stats.kstest(values.ravel()[:100_000].astype(float), "uniform").pvalue > 1e-3


def test_streams_of_neighbours_are_unrelated():
    index = np.arange(400)
    by_epoch = [uniform(0, 7, epoch, index, size=200).ravel() for epoch in (0, 1)]
    by_purpose = [uniform(purpose, 7, 0, index, size=200).ravel() for purpose in (0, 1)]
    by_seed = [uniform(0, seed, 0, index, size=200).ravel() for seed in (7, 8)]
    rows = uniform(0, 7, 0, index, size=200)
    for one, other in (by_epoch, by_purpose, by_seed, (rows[:-1].ravel(), rows[1:].ravel())):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_a_row_depends_on_nothing_but_its_own_stream():
    together = uniform(0, 7, np.array([0, 0, 3]), np.array([5, 6, 5]), size=10)
    assert (together[1] == uniform(0, 7, 0, 6, size=10)[0]).all()
    assert (together[2][:4] == uniform(0, 7, 3, 5, size=4)[0]).all()
