"""The order of the examples, as a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import BatchSampler, DataLoader, Sampler

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from electralab.data.rows import EncodedRows

_CHUNK = 1 << 16  # examples
BATCHES = 100  # are filled from one draw of examples, by length
MORE = 4  # times the rows of a batch, where they are short


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
        first = self.epoch * self.length
        return chain.from_iterable(  # as Python's numbers, all of them would be four times as large
            (order[start : start + _CHUNK] + first).tolist()
            for start in range(0, self.length, _CHUNK)
        )

    def _alike(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        drawn = self.batch_size * BATCHES
        parts = [order[start : start + drawn] for start in range(0, self.length, drawn)]
        order = np.concatenate([p[np.argsort(-self.lengths[p], kind="stable")] for p in parts])
        full = self.length // self.batch_size
        whole = order[: full * self.batch_size].reshape(full, self.batch_size)
        # What does not fill a batch comes last, for the loader cuts batches by counting.
        return np.concatenate([whole[rng.permutation(full)].ravel(), order[whole.size :]])


class InOrder(EpochSampler):
    """Takes a data set in its own order, which is shuffled already; nothing is held in memory."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.length))


class ProcessBatches(BatchSampler):
    """The batches of one of several processes, which together are those of one process.

    What is left at the end of an epoch is shared out evenly, and nothing is read twice. A process
    for which nothing is left gets the last example, for all must make the same number of steps,
    and leaves it out of its sums (`idle`).

    Args:
        sampler: The order of the examples, the same in every process.
        batch_size: Examples in a batch of one process.
        processes: How many there are.
        rank: Which one this is, from 0.
        drop_last: Leave out what does not fill a batch in every process.

    Example:
        >>> list(ProcessBatches(range(7), batch_size=2, processes=2, rank=1))
        [[2, 3], [5, 6]]
    """

    def __init__(
        self,
        sampler: Sampler[int],
        *,
        batch_size: int,
        processes: int,
        rank: int,
        drop_last: bool = False,
    ) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.processes = processes
        self.rank = rank
        self.drop_last = drop_last

    @property
    def idle(self) -> bool:
        """Whether nothing is left for this process in the last batch of an epoch."""
        left = len(self.sampler) % (self.batch_size * self.processes)
        return left > 0 and not self.drop_last and not self._share(range(left))

    def __len__(self) -> int:
        full, left = divmod(len(self.sampler), self.batch_size * self.processes)
        return full + (left > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        order = iter(self.sampler)
        together = self.batch_size * self.processes
        for _ in range(len(self)):
            batches = list(islice(order, together))
            yield self._share(batches) or batches[-1:]

    def _share(self, batches: Sequence[int]) -> Sequence[int]:
        size = len(batches)
        first, end = (size * number // self.processes for number in (self.rank, self.rank + 1))
        return batches[first:end]


class LengthBatches(BatchSampler):
    """The batches of an evaluation: the longest rows first, and more of them where they are short.

    No batch has more tokens, pads included, than the first one.

    Args:
        lengths: Tokens of each row, of shape ``(rows,)``.
        batch_size: Rows of the first batch.

    Example:
        >>> list(LengthBatches(np.array([2, 8, 4, 2, 2]), batch_size=1))
        [[1], [2, 0], [3, 4]]
    """

    def __init__(self, lengths: np.ndarray, *, batch_size: int) -> None:
        self.batch_size = batch_size
        self.drop_last = False
        self.sampler = np.argsort(-lengths, kind="stable").tolist()
        tokens = batch_size * int(lengths.max(initial=1))
        self.batches: list[list[int]] = []
        begin = 0
        while begin < len(lengths):
            longest = max(int(lengths[self.sampler[begin]]), 1)
            rows = min(max(tokens // longest, 1), MORE * batch_size)
            self.batches.append(self.sampler[begin : begin + rows])
            begin += rows

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)


def by_length(rows: EncodedRows, *, collate: Callable, arguments: TrainingArguments) -> DataLoader:
    """Returns a loader of the batches of `LengthBatches`.

    Args:
        rows: The rows of a split.
        collate: Makes a batch of rows.
        arguments: Of the Trainer.
    """
    return DataLoader(
        rows,
        batch_sampler=LengthBatches(rows.lengths, batch_size=arguments.eval_batch_size),
        collate_fn=collate,
        num_workers=arguments.dataloader_num_workers,
        pin_memory=arguments.dataloader_pin_memory,
        prefetch_factor=arguments.dataloader_prefetch_factor,
    )
