"""Training by the fast step, against training by 🤗's forward pass over every position."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.plain_pair import EveryPosition, PlainLoss, WholeLastLayer, WholeVocabulary
from benchmarks.rtd_curves import curve
from electralab.models.rtd import RtdPair


def test_its_losses_are_those_of_the_plain_step_and_they_fall():
    how = {"seed": 1, "steps": 40, "dtype": torch.float64}
    fast = curve(RtdPair, **how)
    np.testing.assert_allclose(fast, curve(EveryPosition, **how), rtol=1e-7)
    assert fast[-10:, 0].mean() < fast[:10, 0].mean() - 0.1


def test_each_trick_left_out_of_the_benchmarks_gives_the_same_losses():
    how = {"seed": 2, "steps": 3, "dtype": torch.float64}
    fast = curve(RtdPair, **how)
    for kind in (PlainLoss, WholeLastLayer, WholeVocabulary):
        np.testing.assert_allclose(curve(kind, **how), fast, rtol=1e-9, err_msg=kind.__name__)
