"""Area under the ROC curve, with an interval that takes the tokens of a row together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Auc:
    """An area under the ROC curve and its 95 % bootstrap interval; NaN where undefined."""

    value: float
    low: float
    high: float


def row_bootstrap_auc(
    scores: np.ndarray, labels: np.ndarray, *, resamples: int = 1000, bins: int = 512
) -> Auc:
    """Measures how well scores tell positives from negatives.

    The interval resamples whole rows (Efron & Tibshirani 1993, chapter 13, percentiles): the
    tokens of one row are no independent draws. It works on scores in quantile bins, which moves the
    area by less than one thousandth; the value itself is exact.

    Args:
        scores: Higher for "positive", of shape ``(rows, columns)``.
        labels: 1 positive, 0 negative, negative numbers are left out; of the same shape.
        resamples: Bootstrap resamples.
        bins: Quantile bins of the scores.
    """
    used = labels >= 0
    positive = labels[used] == 1
    if not positive.any() or positive.all():
        return Auc(float("nan"), float("nan"), float("nan"))
    from sklearn.metrics import roc_auc_score

    value = float(roc_auc_score(positive, scores[used]))
    edges = np.unique(np.quantile(scores[used], np.linspace(0, 1, bins + 1)[1:-1]))
    cell = np.searchsorted(edges, scores, side="right")
    row = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
    shape = (len(scores), len(edges) + 1)
    counts = []
    for label in (1, 0):
        here = labels == label
        flat = np.bincount(row[here] * shape[1] + cell[here], minlength=shape[0] * shape[1])
        counts.append(flat.reshape(shape).astype(np.float32))
    low, high = np.quantile(_resampled(*counts, resamples=resamples), [0.025, 0.975])
    return Auc(value, float(low), float(high))


def _resampled(pos: np.ndarray, neg: np.ndarray, *, resamples: int) -> np.ndarray:
    """Returns the areas of bootstrap resamples from counts of shape ``(rows, bins)``."""
    rng = np.random.default_rng(0)
    rows = len(pos)
    areas = []
    for _ in range(resamples):
        weights = np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(np.float32)
        drawn_pos, drawn_neg = weights @ pos, weights @ neg  # (bins,)
        below = np.cumsum(drawn_neg) - drawn_neg / 2
        if pairs := drawn_pos.sum() * drawn_neg.sum():
            areas.append((drawn_pos * below).sum() / pairs)
    return np.array(areas)
