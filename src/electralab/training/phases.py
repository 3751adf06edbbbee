"""A training that begins on short rows: which rows each of its batches holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import Trainer
from transformers.trainer_utils import seed_worker

from electralab.checking.phase_checks import Phase
from electralab.data.blocks import TokenBlocks
from electralab.training.sampler import EpochSampler


class PhasedRows(Dataset):
    """The rows of all phases, asked for by phase and index.

    What is drawn for a row is a function of (seed, epoch, index); each phase's rows have numbers of
    their own, so that no two phases draw alike.

    Args:
        phases: In their order.
        rows: By their length.
    """

    def __init__(self, phases: Sequence[Phase], rows: Mapping[int, TokenBlocks]) -> None:
        self.phases = list(phases)
        self.rows = [rows[phase.length] for phase in phases]
        self._first = np.cumsum([0, *map(len, self.rows)]).tolist()

    def __len__(self) -> int:
        return self._first[-1]

    def __getitem__(self, asked: tuple[int, int]) -> dict[str, Any]:
        phase, index = asked
        row = self.rows[phase][index]
        return row | {"index": row["index"] + self._first[phase], "phase": phase}


class PhasedCollator:
    """Collates the rows of a phase with a collator of its length.

    Args:
        collate: A collator, a dataclass with the field ``max_length``.
        phases: In their order.
    """

    def __init__(self, collate: Any, phases: Sequence[Phase]) -> None:
        self._collators = [replace(collate, max_length=phase.length) for phase in phases]

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Any:
        """Returns the batch of some rows of one phase."""
        return self._collators[examples[0]["phase"]](examples)


class PhaseBatches(Sampler[list[tuple[int, int]]]):
    """The batches of a whole training, of one of its processes.

    Within a phase, epochs are as `EpochSampler` orders them; what is left at the end of one and
    does not fill an effective batch is left out there, and lies elsewhere in the next. Which rows a
    batch holds depends on its number alone, so that a resumed training finds them again.

    Args:
        data: The rows.
        seed: Of the orders.
        accumulated: Batches of an optimiser step.
        processes: How many there are.
        rank: Which one this is, from 0.
    """

    def __init__(
        self, data: PhasedRows, *, seed: int, accumulated: int, processes: int = 1, rank: int = 0
    ) -> None:
        self.data = data
        self.seed = seed
        self.accumulated = accumulated
        self.processes = processes
        self.rank = rank
        self.batch_size = data.phases[-1].batch_size  # accelerate wants to know one
        self.drop_last = True

    def __len__(self) -> int:
        return sum(phase.steps for phase in self.data.phases) * self.accumulated

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for number, (phase, rows) in enumerate(zip(self.data.phases, self.data.rows, strict=True)):
            together = phase.batch_size * self.processes  # rows of a batch of all processes
            steps = self._steps(rows, together * self.accumulated)
            for _, step in zip(range(phase.steps), steps, strict=False):
                for start in range(0, len(step), together):
                    first = start + self.rank * phase.batch_size
                    part = step[first : first + phase.batch_size]
                    yield [(number, index) for index in part]

    def _steps(self, rows: TokenBlocks, size: int) -> Iterator[list[int]]:
        """Yields the indices of an optimiser step's rows, without end."""
        lengths = rows.lengths if rows.uneven else None
        sampler = EpochSampler(len(rows), seed=self.seed, lengths=lengths, batch_size=size)
        epoch = 0
        while True:
            order: list[int] = []
            while len(order) < size:  # more than one epoch, where there are few rows
                sampler.set_epoch(epoch)
                order += sampler
                epoch += 1
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]


def phased_loader(trainer: Trainer, rows: PhasedRows, in_worker: Callable) -> Any:
    """Returns the loader of all batches of a training in phases.

    Args:
        trainer: Gives the arguments and the collator.
        rows: What is trained on.
        in_worker: Prepares a worker of the loader where several processes train; it is given the
            Trainer's own preparation, which comes behind it, and the worker's number.
    """
    args = trainer.args
    steps, several = args.gradient_accumulation_steps, args.world_size > 1
    share = {"processes": args.world_size, "rank": args.process_index}
    names = ("num_workers", "pin_memory", "persistent_workers", "prefetch_factor")
    how = {name: getattr(args, f"dataloader_{name}") for name in names}
    start = partial(seed_worker, num_workers=how["num_workers"], rank=args.process_index)
    loader = DataLoader(
        rows,
        batch_sampler=PhaseBatches(rows, seed=args.seed, accumulated=steps, **share),
        collate_fn=trainer.data_collator,
        worker_init_fn=partial(in_worker, start) if several else start,
        **how,
    )
    if not several:
        return trainer.accelerator.prepare(loader)
    # These are the batches of this process already, and of different sizes, of which accelerate
    # would drop some when it shares them out.
    here = trainer.accelerator
    alone = {"num_processes": 1, "process_index": 0, "put_on_device": True}
    return prepare_data_loader(loader, here.device, non_blocking=here.non_blocking, **alone)
