"""Memory that runs out: the line names the setting to lower."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch

from electralab.errors import RunFailure
from electralab.training import memory
from tests.training.test_trainer import Rows, make_trainer

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.2 GiB is free."
)
KEPT = (
    r"`trainer.per_device_train_batch_size` \(8\); trainer.per_device_train_batch_size=4 "
    r"trainer.gradient_accumulation_steps=6 keeps the effective batch.*`data.max_length` \(32\)"
)


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def allocate(*args, **kwargs):
    torch.empty(1 << 60)


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (allocate, "4,294,967,296.00 GiB"),
        (failing(torch.OutOfMemoryError(CUDA)), "2.00 GiB"),
    ],
)
def test_a_training_that_needs_too_much_says_how_to_keep_its_effective_batch(
    tmp_path, step, wanted
):
    trainer = make_trainer(tmp_path, gradient_accumulation_steps=3)
    trainer._task.step = step
    found = rf"^The training ran out of memory \({wanted} more were asked for\)\. Lower {KEPT}"
    with pytest.raises(RunFailure, match=found):
        trainer.train()


def test_a_batch_of_one_cannot_be_lowered(tmp_path):
    trainer = make_trainer(tmp_path, per_device_train_batch_size=1)
    trainer._task.step = failing(MemoryError())
    with pytest.raises(RunFailure, match=r"Lower `data.max_length` \(32\), or set .*checkpoint"):
        trainer.train()


def test_an_evaluation_names_its_own_settings(tmp_path):
    trainer = make_trainer(tmp_path, eval_strategy="steps", eval_steps=2, eval_accumulation_steps=7)
    trainer._task.predict = allocate
    wanted = r"The evaluation ran .*eval_batch_size` \(8\), `trainer.eval_accumulation_steps` \(7\)"
    with pytest.raises(RunFailure, match=wanted):
        trainer.train()


def test_a_worker_that_the_system_kills_is_told_from_a_defect(tmp_path):
    class Hungry(Rows):
        def __getitem__(self, index):
            os.kill(os.getpid(), signal.SIGKILL)

    trainer = make_trainer(tmp_path, dataloader_num_workers=1)
    trainer.train_dataset = Hungry(64)
    with pytest.raises(RunFailure, match=r"DataLoader worker .*`trainer.dataloader_num_workers`"):
        trainer.train()


def test_what_has_nothing_to_do_with_memory_stays_as_it_is():
    for error in (RuntimeError("a defect"), OSError(2, "no such file")):
        with pytest.raises(type(error)) as met, memory.explained("It", "Stop."):
            raise error
        assert met.value is error
    wanted = r"^The model ran out of memory \(.* Choose a smaller"
    with pytest.raises(RunFailure, match=wanted), memory.explained("The model", memory.MODEL):
        np.zeros((1 << 30, 1 << 30), dtype=np.int8)
