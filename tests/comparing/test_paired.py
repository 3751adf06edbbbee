"""The test of a difference against slow references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from electralab.comparing.contrast import contrast, in_words, parse
from electralab.comparing.paired import COVERAGE, interval, paired
from electralab.comparing.sweeps import from_sweep
from electralab.errors import UserError
from tests.comparing.sweep_folders import points, write_sweep


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_up_to_six_pairs_every_resample_counts(n):
    values = np.random.default_rng(n).normal(size=n)
    means = [np.mean(picked) for picked in itertools.product(values, repeat=n)]
    assert interval(values) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=1e-12)


def test_many_pairs_agree_with_scipy_to_the_noise_of_resampling():
    values = np.random.default_rng(0).normal(0.3, 1, size=25)
    wanted = stats.bootstrap(
        (values,), np.mean, n_resamples=200_000, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    assert interval(values) == pytest.approx(tuple(wanted), abs=0.02)
    assert interval(values) == interval(values)


def test_the_coverage_that_is_stated():
    rng = np.random.default_rng(5)
    for n, stated in COVERAGE.items():
        held = [
            low <= 0 <= high for low, high in (interval(rng.normal(size=n)) for _ in range(400))
        ]
        assert 100 * np.mean(held) == pytest.approx(stated, abs=8)  # 3.5 standard errors


def test_mean_spread_and_signs():
    found = paired([0.1, 0.2, -0.05])
    assert found.mean == pytest.approx(0.25 / 3) and found.agreeing == 2
    assert found.sd == pytest.approx(np.std([0.1, 0.2, -0.05], ddof=1))
    assert paired([0.1, 0.2]).interval is None and paired([0.1]).sd is None


def sweep(tmp_path, grid, metrics, **more):
    folder = write_sweep(tmp_path, grid, metrics=lambda p: {"eval_probe_auc": metrics(p)}, **more)
    return from_sweep(folder)


def test_pairs_agree_in_seed_and_the_other_settings_and_a_seed_counts_once(tmp_path):
    grid = points(task__disc_weight=[10, 50], task__mask_prob=[0.15, 0.25], seed=[0, 1, 2])

    def auc(point):
        weight = point["task.disc_weight"] == 50
        return 0.5 + point["seed"] + weight * (point["seed"] + point["task.mask_prob"])

    jobs = {11: {"status": "FAILED"}}  # 50, .25, seed 2
    comparison = sweep(tmp_path, grid, auc, jobs=jobs)
    key, first, second = parse("task.disc_weight=10,50", comparison)
    found = contrast(comparison, key=key, first=first, second=second, metric="eval_probe_auc")
    assert found.result.differences == pytest.approx((0.2, 1.2, 2.15)) and found.pairs == 5
    text = "\n".join(in_words(found))
    assert "over 3 seeds (5 pairs, averaged within each seed)" in text
    assert "about 68 times in 100" in text and "3 of 3 seeds have the sign" in text


def test_the_order_of_the_values_is_the_sign(tmp_path):
    grid = points(model=["tiny", "small, wide"], seed=[0, 1])
    comparison = sweep(tmp_path, grid, lambda p: 0.6 if p["model"] == "tiny" else 0.7)
    for text, wanted in (("tiny,small, wide", 0.1), ("small, wide,tiny", -0.1)):
        key, first, second = parse(f"model={text}", comparison)
        found = contrast(comparison, key=key, first=first, second=second, metric="eval_probe_auc")
        assert found.result.mean == pytest.approx(wanted)
        assert "no interval" in "\n".join(in_words(found))


def test_equal_numbers_are_one_value(tmp_path):
    comparison = sweep(tmp_path, points(a=[10, 1e-05], seed=[0]), lambda p: 0.5)
    assert parse("a=10.0,0.00001", comparison) == ("a", 10, 1e-05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task.disc_weight", "KEY=A,B"),
        ("task.disc_wieght=10,50", "did you mean `task.disc_weight`"),
        ("seed=0,1", "other than `seed`"),
        ("task.disc_weight=10,99", "two different values of 10, 50"),
        ("task.disc_weight=10,10", "two different values of 10, 50"),
        ("task.disc_weight=10", "two different values of 10, 50"),
    ],
)
def test_what_cannot_be_tested_is_one_line(tmp_path, text, said):
    comparison = sweep(tmp_path, points(task__disc_weight=[10, 50], seed=[0]), lambda p: 0.5)
    with pytest.raises(UserError) as caught:
        parse(text, comparison)
    assert said in str(caught.value) and len(caught.value.problems) == 1


def test_settings_without_a_pair_are_refused(tmp_path):
    grid = points(task__disc_weight=[10, 50], seed=[0, 1])
    jobs = {0: {"status": "FAILED"}, 3: {"status": "FAILED"}}
    comparison = sweep(tmp_path, grid, lambda p: 0.5, jobs=jobs)
    with pytest.raises(UserError, match="there are none with 10 and 50"):
        contrast(comparison, key="task.disc_weight", first=10, second=50, metric="eval_probe_auc")
