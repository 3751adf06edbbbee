"""Which way a metric is better: the one place that says so."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Direction = Literal["max", "min"]

_LOWER = {"loss", "perplexity", "ter", "wer", "cer", "mse", "rmse", "mae", "sd"}
_LOWER |= {"seconds", "runtime", "time", "wait", "memory", "flos", "norm"}
# Which metric tells runs apart where no objective was set: the one that no setting of a run moves
# but by what the model learns comes first.
_TELLING = ("probe_auc", "accuracy", "f1", "bleu", "spearman", "perplexity", "loss")
_SPLITS = ("eval_", "test_", "finetune.eval_", "finetune.test_", "")


def direction(metric: str) -> Direction:
    """Returns whether a higher or a lower value of a metric is better.

    Higher, unless a word of its name says loss, perplexity, an error rate or a cost. Prefixes such
    as ``eval_``, ``test_`` and ``finetune.`` change nothing; nor does ``gain.``, which is the
    adapted arm less the other: of a loss, too, lower is better.

    >>> direction("eval_probe_auc"), direction("finetune.test_loss"), direction("test_ter")
    ('max', 'min', 'min')
    >>> direction("tokens_per_second"), direction("seconds")
    ('max', 'min')
    """
    words = re.split(r"[._]", metric.lower())
    if words[-2:] == ["per", "second"]:
        return "max"
    return "min" if _LOWER.intersection(words) else "max"


def telling(metrics: Collection[str]) -> str | None:
    """Returns the metric that tells runs apart best, where nobody has named one.

    Args:
        metrics: The names of those that there are.
    """
    for name in _TELLING:
        for split in _SPLITS:
            if f"{split}{name}" in metrics:
                return f"{split}{name}"
    return min(metrics, default=None)
