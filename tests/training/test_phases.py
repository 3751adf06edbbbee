"""Phases of a training: the rows of their batches, each of which depends on its number alone."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from electralab.checking.phase_checks import Phase, plan
from electralab.training import phases
from electralab.training.phases import PhaseBatches, PhasedCollator, PhasedRows
from tests.models.conftest import make_collator, make_examples


class Rows:
    """Rows of one length, as `TokenBlocks`."""

    uneven = False

    def __init__(self, count: int, length: int) -> None:
        self.rows = [row["input_ids"] for row in make_examples([length - 2] * count)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, asked: int) -> dict:
        epoch, index = divmod(asked, len(self.rows))
        return {"input_ids": self.rows[index], "epoch": epoch, "index": index}


PHASES = [Phase(length=8, steps=5, batch_size=8), Phase(length=32, steps=4, batch_size=2)]


def phased(short: int = 70, long: int = 9) -> PhasedRows:
    return PhasedRows(PHASES, {8: Rows(short, 8), 32: Rows(long, 32)})


def config(*phases: tuple[int, float], steps: int = 100, size: int = 4) -> SimpleNamespace:
    items = [SimpleNamespace(length=length, share=share) for length, share in phases]
    return SimpleNamespace(
        task=SimpleNamespace(phases=items),
        data=SimpleNamespace(max_length=512),
        trainer={"max_steps": steps, "per_device_train_batch_size": size},
    )


@pytest.mark.parametrize("steps", [3, 7, 100, 1001])
def test_shares_are_those_of_the_steps_and_batches_keep_their_tokens(steps):
    found = plan(config((128, 0.55), (256, 0.35), (512, 0.1), steps=steps))
    assert sum(phase.steps for phase in found) == steps
    for phase, share in zip(found, (0.55, 0.35, 0.1), strict=True):
        assert abs(phase.steps - share * steps) <= 1
        assert phase.length * phase.batch_size == 4 * 512


def test_batches_of_a_phase_have_its_rows_and_its_shape():
    data, collate = phased(), PhasedCollator(make_collator(), PHASES)
    batches = list(PhaseBatches(data, seed=3, accumulated=2))
    assert len(batches) == len(PhaseBatches(data, seed=3, accumulated=2)) == 18
    for number, batch in enumerate(batches):
        phase = PHASES[number >= 10]
        made = collate([data[asked] for asked in batch])
        assert made["input_ids"].shape == (phase.batch_size, phase.length)
        assert made["positions"].shape[1] == max(1, int(0.15 * phase.length + 0.5))


def test_an_epoch_shows_no_row_twice_and_the_next_another_order():
    data = phased(short=33)  # two steps of 16 an epoch, and one row is left out
    batches = list(PhaseBatches(data, seed=3, accumulated=2))[:10]
    rows = [[index for _, index in batch] for batch in batches]
    for epoch, part in ((0, rows[:4]), (1, rows[4:8]), (2, rows[8:])):
        seen = [index for batch in part for index in batch]
        assert len(set(seen)) == len(seen) and {index // 33 for index in seen} == {epoch}
    assert sorted(i % 33 for i in rows[0]) != sorted(i % 33 for i in rows[4])


def test_few_rows_come_again_within_a_step():
    batches = list(PhaseBatches(phased(short=5), seed=3, accumulated=2))
    step = [index for batch in batches[:2] for _, index in batch]
    assert Counter(index // 5 for index in step) == {0: 5, 1: 5, 2: 5, 3: 1}


@pytest.mark.parametrize("accumulated", [1, 2])
def test_two_processes_share_the_batches_of_one(accumulated):
    phases = [Phase(length=p.length, steps=p.steps, batch_size=p.batch_size // 2) for p in PHASES]
    halved = PhasedRows(phases, {8: Rows(70, 8), 32: Rows(9, 32)})
    how = {"seed": 3, "accumulated": accumulated}
    parts = [PhaseBatches(halved, processes=2, rank=rank, **how) for rank in (0, 1)]
    together = [one + other for one, other in zip(*parts, strict=True)]
    assert together == list(PhaseBatches(phased(), **how))


def test_no_two_phases_draw_alike():
    data = phased(long=70)
    numbers = [{data[phase, index]["index"] for index in range(70)} for phase in (0, 1)]
    assert not numbers[0] & numbers[1]


def test_a_process_of_several_does_not_wait_for_its_batches_either(monkeypatch):
    how = {}
    monkeypatch.setattr(phases, "prepare_data_loader", lambda *_, **rest: how.update(rest))
    names = ("num_workers", "pin_memory", "persistent_workers")
    loading = {f"dataloader_{name}": 0 for name in names} | {"dataloader_prefetch_factor": None}
    arguments = {"gradient_accumulation_steps": 1, "world_size": 2, "process_index": 0, "seed": 3}
    trainer = SimpleNamespace(
        args=SimpleNamespace(**arguments, **loading),
        data_collator=list,
        accelerator=SimpleNamespace(device="cuda", non_blocking=True),
    )
    phases.phased_loader(trainer, phased(), lambda *_: None)
    assert how["non_blocking"] is True and how["put_on_device"] is True


def test_the_seed_decides():
    orders = [list(PhaseBatches(phased(), seed=seed, accumulated=1)) for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]


def test_rows_of_lengths_of_their_own_stand_with_their_like():
    rows = Rows(640, 8)
    rows.uneven, rows.lengths = True, np.random.default_rng(0).integers(3, 9, 640)
    data = PhasedRows(PHASES[:1], {8: rows})
    batches = list(PhaseBatches(data, seed=3, accumulated=1))
    assert all(np.ptp(rows.lengths[[i for _, i in batch]]) <= 1 for batch in batches)
