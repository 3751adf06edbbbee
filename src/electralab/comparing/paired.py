"""Whether two settings differ, from runs that are alike in everything else."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
ALL_UP_TO = 6  # pairs of which every resample is enumerated: 6**6 = 46,656
LEAST, ROUGH = 3, 6  # pairs for an interval at all, and for one that is not called rough
# How often the interval of normal differences holds the true mean; measured, in percent.
COVERAGE = {3: 68, 4: 79, 5: 83}
_SEED = 0
_ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Paired:
    """The difference between two settings.

    Attributes:
        differences: One setting less the other, a pair of runs each.
        mean: Of the differences.
        sd: Their standard deviation (n - 1); None for one pair.
        interval: A 95 % bootstrap interval of the mean; None for fewer than 3 pairs.
    """

    differences: tuple[float, ...]
    mean: float
    sd: float | None
    interval: tuple[float, float] | None

    @property
    def agreeing(self) -> int:
        """How many differences have the sign of the mean."""
        return sum(one * self.mean > 0 for one in self.differences)


def paired(differences: Sequence[float]) -> Paired:
    """Returns the mean difference, its spread, and how sure it is.

    Args:
        differences: One a pair of runs with the same seed.
    """
    return Paired(
        differences=tuple(differences),
        mean=statistics.fmean(differences),
        sd=statistics.stdev(differences) if len(differences) > 1 else None,
        interval=interval(differences) if len(differences) >= LEAST else None,
    )


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of a mean (Efron 1979).

    Up to 6 pairs all n^n resamples are enumerated, beyond 10,000 are drawn, always the same ones.

    Of few pairs it is too narrow. For normal differences it held the true mean in 68 % of 4,000
    simulated experiments with 3 pairs, 79 % with 4, 83 % with 5, 86 % with 6, 89 % with 8 and 93 %
    with 10 and more, where 95 % is meant (`COVERAGE`).

    Args:
        differences: At least one.
    """
    values = np.asarray(differences, dtype=np.float64)  # (n,)
    n = len(values)
    if n <= ALL_UP_TO:
        picks = np.indices((n,) * n).reshape(n, -1).T  # (n ** n, n)
    else:
        picks = np.random.default_rng(_SEED).integers(n, size=(RESAMPLES, n))
    low, high = np.quantile(values[picks].mean(axis=1), _ENDS)
    return float(low), float(high)
