"""The losses of a classifier, as sums that are divided by what an effective batch holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STATISTICS = ("loss", "items", "right", "rows", "tokens")


@dataclass(frozen=True)
class ClassifierStep:
    """What one pass over a batch gives.

    Attributes:
        loss: A scalar, divided by the items of the effective batch.
        statistics: The sums of `STATISTICS`.
    """

    loss: Tensor
    statistics: Tensor


def count_items(labels: Tensor, *, weights: Tensor | None) -> Tensor:
    """Returns what a batch counts in the loss: its rows, or the weights of their classes.

    Args:
        labels: As of a batch.
        weights: Of the classes, of shape ``(classes,)``; none: all alike.

    Returns:
        A vector of one number, in float32.
    """
    if weights is None:
        return labels.new_full((1,), len(labels), dtype=torch.float32)
    return weights[labels].sum().reshape(1)


def loss_sum(logits: Tensor, labels: Tensor, *, problem: str, weights: Tensor | None) -> Tensor:
    """Returns the sum of the rows' losses in float32, a scalar.

    Args:
        logits: Of shape ``(batch, classes)``, of scores ``(batch, 1)``.
        labels: Ids ``(batch,)``, zeros and ones ``(batch, classes)``, or scores ``(batch,)``.
        problem: ``single_label``: cross-entropy; ``multi_label``: the mean binary cross-entropy of
            a row's classes; ``regression``: the squared error.
        weights: Of the classes in cross-entropy, of shape ``(classes,)``; none: all alike.
    """
    logits = logits.float()
    if problem == "regression":
        return F.mse_loss(logits.squeeze(-1), labels, reduction="sum")
    if problem == "multi_label":
        total = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        return total / logits.shape[-1]
    return F.cross_entropy(logits, labels, weight=weights, reduction="sum")


def count_right(logits: Tensor, labels: Tensor, *, problem: str) -> Tensor:
    """Returns how many rows are right in every class, a scalar; of scores there are none."""
    if problem == "regression":
        return torch.zeros((), device=logits.device)
    if problem == "multi_label":
        return ((logits >= 0) == (labels == 1)).all(-1).sum()
    return (logits.argmax(-1) == labels).sum()
