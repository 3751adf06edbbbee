from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from electralab.tasks.auc import row_bootstrap_auc


def make_scores(rows: int, shift: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 40)) < 0.1).astype(int)
    scores = rng.normal(size=labels.shape) + shift * labels + rng.normal(size=(rows, 1))
    labels[rng.random(labels.shape) < 0.2] = -100
    return scores, labels


def test_the_value_is_exact_and_leaves_out_what_does_not_count():
    scores, labels = make_scores(200, 0.8)
    used = labels >= 0
    found = row_bootstrap_auc(scores, labels)
    assert found.value == pytest.approx(roc_auc_score(labels[used], scores[used]), abs=1e-12)
    assert found.low < found.value < found.high


def test_the_interval_equals_a_plain_bootstrap_over_rows():
    scores, labels = make_scores(80, 0.6)
    rng = np.random.default_rng(1)
    plain = []
    for _ in range(600):
        rows = rng.integers(0, 80, 80)
        used = labels[rows] >= 0
        plain.append(roc_auc_score(labels[rows][used], scores[rows][used]))
    found = row_bootstrap_auc(scores, labels)
    low, high = np.quantile(plain, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_the_interval_covers_chance_as_often_as_it_says():
    """At no signal, .5 lies inside 95 % of the intervals."""
    inside = 0
    for seed in range(200):
        found = row_bootstrap_auc(*make_scores(60, 0.0, seed), resamples=200)
        inside += found.low <= 0.5 <= found.high
    assert 180 <= inside <= 199


def test_without_positives_there_is_no_area():
    scores = np.zeros((3, 4))
    assert np.isnan(row_bootstrap_auc(scores, np.zeros((3, 4), dtype=int)).value)
