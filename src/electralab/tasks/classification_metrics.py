"""The measures of a classifier on a whole split, in float64; what is undefined is 0."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps

import numpy as np
from scipy.special import log_softmax
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from sklearn.metrics import precision_recall_fscore_support as by_counts

Metrics = dict[str, float]


def _quietly(function: Callable[..., Metrics]) -> Callable[..., Metrics]:
    """Makes undefined values 0; the libraries warn of them, and give NaN or 0."""

    @wraps(function)
    def measured(*args: np.ndarray, **kwargs: object) -> Metrics:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = function(*args, **kwargs)
        return {name: float(value) if np.isfinite(value) else 0.0 for name, value in found.items()}

    return measured


@_quietly
def single_label(
    logits: np.ndarray, labels: np.ndarray, *, average: str, weights: np.ndarray | None
) -> Metrics:
    """Measures the most probable class against the true one.

    Args:
        logits: Of shape ``(rows, classes)``.
        labels: Class ids, of shape ``(rows,)``.
        average: ``binary``, of the second class, or ``macro``, over those that are true or found.
        weights: Of the classes in the loss, of shape ``(classes,)``; none: all alike.
    """
    found = logits.argmax(-1)
    nll = -log_softmax(logits, axis=-1)[np.arange(len(labels)), labels]
    weight = None if weights is None else weights[labels]
    precision, recall, f1, _ = by_counts(labels, found, average=average, zero_division=0.0)
    return {
        "loss": np.average(nll, weights=weight),
        "accuracy": accuracy_score(labels, found),
        "f1": f1,
        "precision": precision,
        "recall": recall,
        "matthews": matthews_corrcoef(labels, found),
    }


@_quietly
def multi_label(logits: np.ndarray, labels: np.ndarray) -> Metrics:
    """Measures the classes of a probability of at least one half against the true ones.

    ``f1``, ``precision`` and ``recall`` count over all classes at once (micro), ``f1_macro`` is the
    mean over classes, and ``accuracy`` is the share of rows of which every class is right.

    Args:
        logits: Of shape ``(rows, classes)``.
        labels: 0 or 1, of the same shape.
    """
    true, found = labels == 1, logits >= 0
    precision, recall, f1, _ = by_counts(true, found, average="micro", zero_division=0.0)
    return {
        "loss": np.mean(np.logaddexp(0, logits) - logits * true),
        "accuracy": accuracy_score(true, found),
        "f1": f1,
        "f1_macro": f1_score(true, found, average="macro", zero_division=0.0),
        "precision": precision,
        "recall": recall,
    }


@_quietly
def regression(scores: np.ndarray, labels: np.ndarray) -> Metrics:
    """Measures scores against the true ones, both of shape ``(rows,)``."""
    error = np.mean((scores - labels) ** 2)
    measured = {"loss": error, "mse": error, "pearson": 0.0, "spearman": 0.0}
    if len(labels) > 1:
        measured["pearson"] = pearsonr(scores, labels).statistic
        measured["spearman"] = spearmanr(scores, labels).statistic
    return measured
