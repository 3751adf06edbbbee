"""What is counted a document equals what numpy says of all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

from electralab.data import on_disk
from electralab.data.on_disk import Column, alike, distinct, found_in, gathered, joined, places
from electralab.data.tally import Tally


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(on_disk, "CHUNK", 7)


def keys(seed: int, count: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.choice(rng.integers(0, 2**64, 40, dtype=np.uint64), count)


def test_a_column_holds_what_was_appended_and_leaves_no_file(tmp_path):
    column = Column(np.int32, tmp_path)
    assert len(column.array()) == 0
    column.append(np.array([3, 1]))
    column.append(np.array([2], dtype=np.int64))
    numbers = column.array()
    assert numbers.tolist() == [3, 1, 2] and numbers.dtype == np.int32
    del column
    numbers[0] = 5
    assert numbers.tolist() == [5, 1, 2] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_keys_that_are_alike_are_looked_at_together(seed, tmp_path):
    one, other = keys(seed), keys(seed + 1, 20)
    other[:5] = one[:5]
    ranges = list(alike(one, other))
    assert len(ranges) > 4
    assert sorted(np.concatenate([a for a, _ in ranges]).tolist()) == list(range(60))
    assert distinct(one) == len(set(one.tolist()))
    assert found_in(other, one) == sum(key in set(one.tolist()) for key in other.tolist()) >= 5
    rows = np.array([4, 0, 9, 33, 2, 2, 7, 59, 1])
    assert (gathered(one, rows, tmp_path) == one[rows]).all()
    assert (joined([one, other], tmp_path) == np.concatenate([one, other])).all()
    flags = (one > one.mean()).astype(np.uint8)
    assert (places(flags, tmp_path) == np.flatnonzero(flags == 0)).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 101])
def test_a_tally_gives_the_quantiles_of_all_numbers(monkeypatch, dtype, count):
    monkeypatch.setattr("electralab.data.tally.PENDING", 10)
    numbers = (np.random.default_rng(count).random(count) * 30).astype(dtype)
    tally = Tally()
    assert not tally
    for part in np.array_split(numbers, 9):
        tally.add(part)
    for share in (0.0, 0.25, 0.5, 0.99, 1.0):
        assert tally.quantile(share) == pytest.approx(np.quantile(numbers, share), rel=1e-15)
    values, counts = np.unique(numbers, return_counts=True)
    assert [part.tolist() for part in tally.counted()] == [values.tolist(), counts.tolist()]
    assert tally.above(10) == (numbers > 10).sum()
    for share in (0.001, 0.01, 0.3, 1.0):
        allowed = [n for n in values if (numbers > n).sum() < share * count]
        assert tally.enough(share) == int(min(allowed))
