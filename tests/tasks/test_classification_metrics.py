"""Measures on a whole split, against counts by hand; what is undefined is 0 and no warning."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from electralab.tasks import classification_metrics as measures


def one_hot(classes: list[int], number: int) -> np.ndarray:
    return np.eye(number)[classes] * 4.0


def single(true: list[int], found: list[int], number: int, average: str, weights=None) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return measures.single_label(
            one_hot(found, number), np.array(true), average=average, weights=weights
        )


def test_two_classes_are_measured_by_the_second():
    true, found = [1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0]
    tp, fp, fn, tn = 2, 1, 1, 4
    got = single(true, found, 2, "binary")
    assert got["accuracy"] == pytest.approx(6 / 8)
    assert got["precision"] == pytest.approx(tp / (tp + fp))
    assert got["recall"] == pytest.approx(tp / (tp + fn))
    assert got["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert got["matthews"] == pytest.approx((tp * tn - fp * fn) / root)


def test_more_classes_count_alike():
    true, found = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]
    got = single(true, found, 3, "macro")
    f1 = [2 * 2 / (2 * 2 + 1 + 1), 2 * 2 / (2 * 2 + 1 + 0), 0.0]
    assert got["f1"] == pytest.approx(np.mean(f1))
    assert got["recall"] == pytest.approx(np.mean([2 / 3, 1, 0]))


def test_the_loss_is_the_weighted_mean():
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]])
    labels, weights = np.array([0, 0, 1]), np.array([1.0, 5.0])
    nll = -np.log(
        [np.exp(row)[y] / np.exp(row).sum() for row, y in zip(logits, labels, strict=True)]
    )
    plain = measures.single_label(logits, labels, average="binary", weights=None)
    assert plain["loss"] == pytest.approx(nll.mean(), rel=1e-12)
    weighed = measures.single_label(logits, labels, average="binary", weights=weights)
    assert weighed["loss"] == pytest.approx((nll[0] + nll[1] + 5 * nll[2]) / 7, rel=1e-12)


@pytest.mark.parametrize("average", ["binary", "macro"])
@pytest.mark.parametrize(("true", "found"), [([0, 0], [0, 0]), ([1, 1], [0, 0]), ([0], [1])])
def test_what_is_undefined_is_zero(true, found, average):
    got = single(true, found, 2, average)
    assert got["matthews"] == 0.0 and all(np.isfinite(list(got.values())))


def test_several_labels_are_counted_over_all_classes():
    true = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    logits = np.array([[2.0, -1.0, -1.0], [1.0, 3.0, -2.0], [-1.0, -1.0, -1.0]])
    got = measures.multi_label(logits, true)
    tp, fp, fn = 2, 1, 1
    assert got["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert got["f1_macro"] == pytest.approx(np.mean([2 / 3, 1.0, 0.0]))
    assert got["accuracy"] == pytest.approx(1 / 3)
    p = 1 / (1 + np.exp(-logits))
    assert got["loss"] == pytest.approx(-np.where(true == 1, np.log(p), np.log(1 - p)).mean())


def test_scores_are_correlated():
    true, found = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 8.0, 27.0, 64.0])
    got = measures.regression(found, true)
    one, other = true - true.mean(), found - found.mean()
    wanted = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    assert got["pearson"] == pytest.approx(wanted) and got["spearman"] == pytest.approx(1.0)
    assert got["mse"] == got["loss"] == pytest.approx(((found - true) ** 2).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scores, labels in (([2.0, 2.0], [1.0, 3.0]), ([1.0], [2.0])):
            got = measures.regression(np.array(scores), np.array(labels))
            assert got["pearson"] == got["spearman"] == 0.0
