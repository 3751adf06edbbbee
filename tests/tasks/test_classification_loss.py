"""The loss of an effective batch is the same however it is cut, and that of a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from electralab.errors import UserError
from electralab.tasks.class_weights import class_weights
from electralab.tasks.classification_loss import count_items, count_right, loss_sum

WEIGHTS = np.array([0.5, 4.0, 1.25])


def reference(logits: np.ndarray, labels: np.ndarray, problem: str, weights: np.ndarray) -> float:
    """The mean loss of some rows, example by example in float64."""
    total = items = 0.0
    for row, label in zip(logits.astype(np.float64), labels, strict=True):
        weight = 1.0
        if problem == "regression":
            loss = (row[0] - label) ** 2
        elif problem == "multi_label":
            p = 1 / (1 + np.exp(-row))
            loss = np.mean(
                [-np.log(q if true else 1 - q) for q, true in zip(p, label, strict=True)]
            )
        else:
            weight = weights[label]
            loss = -np.log(np.exp(row[label]) / np.exp(row).sum())
        total, items = total + weight * loss, items + weight
    return total / items


def batch(problem: str, rows: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(rows, 1 if problem == "regression" else 3)) * 3)
    if problem == "regression":
        return logits.float(), torch.tensor(rng.normal(size=rows)).float()
    if problem == "multi_label":
        return logits.float(), torch.tensor(rng.random((rows, 3)) < 0.4).float()
    return logits.float(), torch.tensor(rng.integers(0, 3, rows))


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("problem", ["single_label", "multi_label", "regression"])
@pytest.mark.parametrize("weighted", [True, False])
def test_parts_divided_by_the_whole_add_up_to_the_reference(problem, parts, weighted):
    weighted = weighted and problem == "single_label"
    weights = torch.tensor(WEIGHTS).float() if weighted else None
    logits, labels = batch(problem)
    cut = list(zip(logits.chunk(parts), labels.chunk(parts), strict=True))
    total = sum(count_items(part, weights=weights) for _, part in cut)
    how = {"problem": problem, "weights": weights}
    loss = sum(loss_sum(one, other, **how) / total[0] for one, other in cut)
    wanted = reference(logits.numpy(), labels.numpy(), problem, WEIGHTS if weighted else np.ones(3))
    assert float(loss) == pytest.approx(wanted, rel=1e-6)


def test_sums_are_in_float32_whatever_the_model_computes_in():
    logits, labels = batch("single_label")
    found = loss_sum(logits.bfloat16(), labels, problem="single_label", weights=None)
    rounded = loss_sum(logits.bfloat16().float(), labels, problem="single_label", weights=None)
    assert found.dtype == torch.float32 and found == rounded


def test_rows_that_are_right_in_every_class_are_counted():
    logits, labels = batch("multi_label")
    rows = [np.array_equal(one > 0, true > 0) for one, true in zip(logits, labels, strict=True)]
    assert count_right(logits, labels, problem="multi_label") == sum(rows) > 0
    logits, labels = batch("single_label")
    rows = [int(one.argmax()) == int(true) for one, true in zip(logits, labels, strict=True)]
    assert count_right(logits, labels, problem="single_label") == sum(rows) > 0


def test_items_are_counted_on_the_device():
    """A number from the host would have to be waited for."""
    labels = torch.zeros(4, dtype=torch.int64, device="meta")
    assert count_items(labels, weights=None).device.type == "meta"


def test_balanced_classes_have_the_same_total():
    counts = np.array([1, 30, 69])
    weights = class_weights("balanced", counts=counts, names=["a", "b", "c"])
    assert weights * counts == pytest.approx(np.full(3, 100 / 3))  # n / k
    given = class_weights([1.0, 2.0, 0.5], counts=counts, names=["a", "b", "c"])
    assert given.tolist() == [1.0, 2.0, 0.5]
    assert class_weights(None, counts=counts, names=[]) is None


def test_weights_that_cannot_be():
    names = ["a", "b", "c"]
    with pytest.raises(UserError, match=r"`task\.class_weights` .* has none of 'b'"):
        class_weights("balanced", counts=np.array([1, 0, 3]), names=names)
