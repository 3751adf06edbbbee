"""Texts put together: against first-fit decreasing written out, and how full it makes rows."""

from __future__ import annotations

import numpy as np
import pytest

from electralab.data.bins import first_fit_decreasing


def slow(lengths: list[int], width: int) -> list[list[int]]:
    """Text by text into the first row that has room for it."""
    rows: list[list[int]] = []
    for text in sorted(range(len(lengths)), key=lambda text: -lengths[text]):
        for row in rows:
            if sum(lengths[other] for other in row) + lengths[text] <= width:
                row.append(text)
                break
        else:
            rows.append([text])
    return rows


@pytest.mark.parametrize("seed", range(20))
def test_it_is_first_fit_decreasing(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(8, 60))
    lengths = rng.integers(1, rng.integers(2, width + 2), rng.integers(1, 300))
    order, texts = first_fit_decreasing(lengths, width)
    found = [row.tolist() for row in np.split(order, np.cumsum(texts)[:-1])]
    assert found == slow(lengths.tolist(), width)


def test_without_texts_there_are_no_rows():
    order, texts = first_fit_decreasing(np.empty(0, dtype=np.int64), 8)
    assert order.tolist() == texts.tolist() == []


@pytest.mark.parametrize("width", [64, 128, 512])
def test_short_texts_fill_rows_nearly_to_the_last_token(width):
    """Lengths as of short reviews: 21 tokens in the mean, with a long tail."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(2 + rng.lognormal(2.9, 0.6, 20_000).astype(int), width)
    _, texts = first_fit_decreasing(lengths, width)
    assert lengths.sum() / (len(texts) * width) > 0.98
