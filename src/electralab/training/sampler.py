"""The order of the examples, as a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

BATCHES = 50  # are filled from one draw of examples, by length


class EpochSampler(Sampler[int]):
    """Shuffles a data set anew in each epoch and says in each index which epoch it is.

    The example ``i`` of epoch ``e`` is asked for as ``e · length + i``, so that workers, which see
    nothing but indices, know the epoch. The order depends on nothing that was drawn before.

    With lengths, examples of like lengths stand together: of each draw of `BATCHES` batches the
    examples are sorted by length and cut into batches, and the batches of the epoch are shuffled.

    Args:
        length: Examples in the data set.
        seed: Seed of the orders.
        lengths: Tokens of each example, of shape ``(length,)``; none: any order.
        batch_size: Examples in an effective batch.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        lengths: np.ndarray | None = None,
        batch_size: int = 1,
    ) -> None:
        self.length = length
        self.seed = seed
        self.lengths = lengths
        self.batch_size = batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next pass is; the Trainer calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.length)
        if self.lengths is not None:
            order = self._alike(order, rng)
        return iter((order + self.epoch * self.length).tolist())

    def _alike(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        drawn = self.batch_size * BATCHES
        parts = [order[start : start + drawn] for start in range(0, self.length, drawn)]
        order = np.concatenate([p[np.argsort(-self.lengths[p], kind="stable")] for p in parts])
        full = self.length // self.batch_size
        whole = order[: full * self.batch_size].reshape(full, self.batch_size)
        # What does not fill a batch comes last, for the loader cuts batches by counting.
        return np.concatenate([whole[rng.permutation(full)].ravel(), order[whole.size :]])
