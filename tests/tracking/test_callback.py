from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from electralab.tracking.callback import RunCallback
from electralab.tracking.run import tracked_run
from electralab.tracking.store import Store
from tests.tracking.test_run import history


class Line(torch.nn.Module):
    """The smallest model that the Trainer trains."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x=None, labels=None):
        predicted = self.line(x)
        return {"loss": ((predicted - labels) ** 2).mean(), "logits": predicted}


def trainer(folder, run, *, max_steps: int) -> Trainer:
    data = [{"x": torch.tensor([float(i)]), "labels": torch.tensor([2.0 * i])} for i in range(8)]
    args = TrainingArguments(
        output_dir=str(folder),
        max_steps=max_steps,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_steps=2,
        eval_strategy="steps",
        eval_steps=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    return Trainer(
        Line(), args, train_dataset=data, eval_dataset=data, callbacks=[RunCallback(run)]
    )


def start(store, run_id=None):
    return tracked_run(store, experiment="rtd", run_name="t", params={"a": 1}, run_id=run_id)


def steps(store, run_id, name):
    return [step for step, _ in history(store, run_id, name)]


def test_the_trainer_logs_into_our_run_and_nothing_else(store, tmp_path):
    with start(store) as run:
        loop = trainer(tmp_path / "a", run, max_steps=4)
        loop.train()
        loop.evaluate()
        del loop
        gc.collect()  # the stock callback ends the run here
        assert store.client().get_run(run.run_id).info.status == "RUNNING"
    found = store.client().get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.data.params == {"a": "1"}
    assert steps(store, run.run_id, "loss") == [1, 2, 3, 4]
    assert steps(store, run.run_id, "eval_loss") == [2, 4]  # the third is the second, again
    assert steps(store, run.run_id, "train_loss") == [4]
    experiments = [found.experiment_id for found in store.client().search_experiments()]
    assert len(store.client().search_runs(experiments)) == 1


def test_a_resumed_training_adds_only_new_steps(store, tmp_path):
    with pytest.raises(RuntimeError), start(store) as run:
        trainer(tmp_path / "a", run, max_steps=3).train()
        raise RuntimeError("after step 3, with a checkpoint of step 2")
    with start(store, run_id=run.run_id) as again:
        checkpoint = str(tmp_path / "a" / "checkpoint-2")
        trainer(tmp_path / "a", again, max_steps=6).train(resume_from_checkpoint=checkpoint)
    assert steps(store, run.run_id, "loss") == [1, 2, 3, 4, 5, 6]
    # The Trainer evaluates at its last step too, which was step 3 the first time.
    assert steps(store, run.run_id, "eval_loss") == [2, 3, 4, 6]
    assert store.client().get_run(run.run_id).info.status == "FINISHED"


def test_it_works_without_a_store(tmp_path):
    with start(Store("off")) as run:
        trainer(tmp_path / "a", run, max_steps=2).train()


def test_entries_that_are_no_numbers_are_left_out(store):
    class State:
        is_world_process_zero = True
        global_step = 3

    with start(store) as run:
        logs = {"a": torch.tensor(1.5), "b": np.float32(2), "c": "text", "d": [1, 2], "e": True}
        RunCallback(run).on_log(None, State(), None, logs={**logs, "f": None, "g": 4})
        State.is_world_process_zero = False
        RunCallback(run).on_log(None, State(), None, logs={"other_process": 1.0})
    metrics = store.client().get_run(run.run_id).data.metrics
    assert metrics == {"a": 1.5, "b": 2.0, "g": 4.0}


def test_the_stock_callback_finds_our_run_too(store, tmp_path):
    """Someone's own code may add it; its points must not go astray."""
    from transformers.integrations import MLflowCallback

    with start(store) as run:
        loop = trainer(tmp_path / "a", run, max_steps=2)
        loop.add_callback(MLflowCallback())
        loop.train()
    experiments = [found.experiment_id for found in store.client().search_experiments()]
    assert len(store.client().search_runs(experiments)) == 1
