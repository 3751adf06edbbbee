"""The order of the examples, as a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """Shuffles a data set anew in each epoch and says in each index which epoch it is.

    The example ``i`` of epoch ``e`` is asked for as ``e · length + i``, so that workers, which see
    nothing but indices, know the epoch. The order depends on nothing that was drawn before.

    Args:
        length: Examples in the data set.
        seed: Seed of the orders.
    """

    def __init__(self, length: int, *, seed: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next pass is; the Trainer calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        return iter((order + self.epoch * self.length).tolist())
