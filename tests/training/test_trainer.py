"""The Trainer subclass: normalisation, windows, order, parameter groups, resuming."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from transformers import Seq2SeqTrainingArguments, TrainerCallback

from electralab.models import dropout
from electralab.models.statistics import RtdStatistics
from electralab.task_config import RtdConfig
from electralab.tasks.rtd import ReplacedTokenDetection
from electralab.timing import TIMING_METRICS
from electralab.training.trainer import ExperimentTrainer
from tests.models.conftest import VOCAB, make_collator, make_examples, make_pair

CONFIG = RtdConfig(
    name="rtd",
    mask_prob=0.15,
    replace_prob=0.85,
    disc_weight=50,
    gen_weight=1,
    temperature=1,
    eval_mask_prob=0.15,
    preview_steps=None,
    preview_examples=1,
)


class Rows(Dataset):
    def __init__(self, count: int) -> None:
        lengths = np.random.default_rng(5).integers(3, 31, count)
        self.rows = [example["input_ids"] for example in make_examples(lengths)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, g: int) -> dict:
        epoch, index = divmod(g, len(self.rows))
        return {"input_ids": self.rows[index], "epoch": epoch, "index": index}


def make_trainer(
    folder, *, rows: int = 64, callbacks=(), on_nan="stop", speed=None, **arguments
) -> ExperimentTrainer:
    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 8,
        "max_steps": 8,
        "learning_rate": 1e-3,
        "logging_steps": 4,
        "save_strategy": "no",
        "seed": 11,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "logging_nan_inf_filter": False,
    }
    task = ReplacedTokenDetection(config=CONFIG, data=SimpleNamespace(max_length=32))
    unigram = np.r_[np.zeros(5), np.full(VOCAB - 5, 1 / (VOCAB - 5))]
    torch.manual_seed(0)
    return ExperimentTrainer(
        model=make_pair(),
        args=Seq2SeqTrainingArguments(**(settings | arguments)),
        train_dataset=Rows(rows),
        eval_dataset=Rows(13),
        data_collator=make_collator(seed=11),
        eval_collator=make_collator(seed=2**40, probe=np.cumsum(unigram)),
        task=task,
        on_nan=on_nan,
        speed=speed,
        callbacks=list(callbacks),
    )


def weights(trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def windows(trainer) -> list[dict]:
    logs = [log for log in trainer.state.log_history if "loss" in log]
    return [{k: v for k, v in log.items() if k not in TIMING_METRICS} for log in logs]


def test_accumulation_equals_the_one_large_batch(tmp_path):
    """2 x 8 accumulated and 1 x 16 are the same training, rows of different lengths and all."""
    runs = []
    for size, accumulated in ((16, 1), (8, 2), (4, 4)):
        trainer = make_trainer(
            tmp_path,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            max_steps=4,
            logging_steps=1,
        )
        trainer.model.double()
        trainer.train()
        runs.append((weights(trainer), windows(trainer)))
    for other_weights, other_windows in runs[1:]:
        for name, value in runs[0][0].items():
            torch.testing.assert_close(other_weights[name], value, rtol=1e-7, atol=1e-9)
        for one, other in zip(runs[0][1], other_windows, strict=True):
            for name in ("loss", *RtdStatistics.metrics([1.0] * 9)):
                assert other[name] == pytest.approx(one[name], rel=1e-6), name


def test_rows_of_lengths_of_their_own_stand_with_their_like(tmp_path):
    trainer = make_trainer(tmp_path, rows=640)
    spreads = {}
    for uneven in (False, True):
        trainer.train_dataset.uneven = uneven
        lengths = np.array([len(row) for row in trainer.train_dataset.rows])
        trainer.train_dataset.lengths = lengths
        order = np.array(list(trainer._get_train_sampler()))
        assert sorted(order) == list(range(640))
        spreads[uneven] = np.ptp(lengths[order].reshape(-1, 8), axis=1).mean()
    assert spreads[True] < 2 < 15 < spreads[False]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(tmp_path, workers):
    trainer = make_trainer(tmp_path, dataloader_num_workers=workers, max_steps=10)
    trainer.train()  # crosses an epoch after 8 steps
    reference = make_trainer(tmp_path, max_steps=10)
    reference.train()
    assert windows(trainer) == windows(reference)
    for name, value in weights(reference).items():
        assert torch.equal(weights(trainer)[name], value)


def test_when_it_is_evaluated_changes_no_weight(tmp_path):
    found = []
    for before, steps in [(False, 100), (True, 3)]:
        trainer = make_trainer(tmp_path, eval_strategy="steps", eval_steps=steps)
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.2  # drawn from the generator that loaders draw from as well
        if before:
            trainer.evaluate()
        trainer.train()
        found.append(weights(trainer))
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name


def test_masks_are_fresh_each_epoch_and_examples_are_shuffled(tmp_path):
    trainer = make_trainer(tmp_path, rows=16)
    loader = trainer.get_train_dataloader()
    seen = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        seen.append(torch.cat([batch["masked_ids"].sum(1) for batch in loader]))
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0].sort().values, seen[1].sort().values)


def test_the_window_averages_every_step_and_reads_back_once(tmp_path):
    sums, reads = [], []

    class Watch(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            sums.append(trainer.window.clone())

    trainer = make_trainer(tmp_path, callbacks=[Watch()])
    trainer._task.window_metrics = lambda found: reads.append(found) or RtdStatistics.metrics(found)
    trainer.train()
    assert len(reads) == 2  # 8 steps, a log every 4
    assert reads[0] == pytest.approx(sums[3].tolist())
    log = windows(trainer)[0]
    assert log["mlm_loss"] == pytest.approx(reads[0][0] / reads[0][2])
    assert log["replaced_rate"] == pytest.approx(reads[0][5] / reads[0][4])


def test_every_parameter_is_trained_and_stands_once_in_the_optimiser(tmp_path):
    trainer = make_trainer(tmp_path, weight_decay=0.01, max_steps=2)
    before = weights(trainer)
    trainer.train()
    grouped = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    assert len({id(p) for p in grouped}) == len(grouped) == len(before)
    for name, value in weights(trainer).items():
        if "position_embeddings" not in name:
            assert not torch.equal(value, before[name]), name
    decayed = {id(p) for p in trainer.optimizer.param_groups[0]["params"]}
    plain = {n for n, p in trainer.model.named_parameters() if id(p) not in decayed}
    assert all("bias" in name or "LayerNorm" in name for name in plain) and plain


def test_evaluation_is_the_same_whatever_the_batches_and_the_step(tmp_path):
    trainer = make_trainer(tmp_path)
    one = trainer.evaluate()
    trainer.args.per_device_eval_batch_size = 3
    other = trainer.evaluate()
    for name, value in one.items():
        if "_per_second" not in name and "_time" not in name and "runtime" not in name:
            assert other[name] == pytest.approx(value, rel=1e-5), name
    assert one["eval_loss"] == pytest.approx(
        one["eval_mlm_loss"] + 50 * one["eval_disc_loss"], rel=1e-9
    )


def test_evaluation_metrics_equal_the_sums_of_one_pass(tmp_path):
    trainer = make_trainer(tmp_path)
    found = trainer.evaluate()
    batch = trainer._eval_collator([trainer.eval_dataset[i] for i in range(13)])
    with torch.no_grad():
        out = trainer.model.eval()(**batch)
    for name, value in RtdStatistics.metrics(out.statistics.tolist()).items():
        assert found[f"eval_{name}"] == pytest.approx(value, rel=1e-4), name


def test_a_resumed_training_ends_in_the_same_weights(tmp_path):
    straight = make_trainer(tmp_path / "a", max_steps=12)
    straight.train()
    first = make_trainer(tmp_path / "b", max_steps=12, save_strategy="steps", save_steps=6)
    first.train()
    again = make_trainer(tmp_path / "c", max_steps=12)
    again.train(resume_from_checkpoint=str(tmp_path / "b" / "checkpoint-6"))
    for name, value in weights(straight).items():
        assert torch.equal(weights(again)[name], value), name


class StopAtFour(TrainerCallback):
    """Ends a training as a search does."""

    reason: str | None = None

    def on_evaluate(self, args, state, control, **kwargs):
        if state.global_step == 4:
            self.reason = "worse than the others"
            control.should_training_stop = True


def test_what_ended_a_training_is_in_its_last_checkpoint_also_when_it_was_moved(tmp_path):
    steps = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2}
    steps |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
    first = make_trainer(tmp_path / "a", callbacks=[StopAtFour()], **steps)
    first.train()
    (tmp_path / "a").rename(tmp_path / "b")
    judge = StopAtFour()
    again = make_trainer(tmp_path / "b", callbacks=[judge], **steps)
    again.train(resume_from_checkpoint=str(tmp_path / "b" / "checkpoint-4"))
    assert first.state.global_step == again.state.global_step == 4
    assert judge.reason == "worse than the others"
    assert again.state.best_model_checkpoint.startswith(str(tmp_path / "b"))
    for name, value in weights(first).items():
        assert torch.equal(weights(again)[name], value), name
    ends = [trainer.state.log_history[-1]["train_loss"] for trainer in (first, again)]
    assert ends[0] == ends[1] > 0


def test_a_checkpoint_holds_no_pickled_arguments(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=2, save_strategy="steps", save_steps=2)
    trainer.train()
    names = {path.name for path in (tmp_path / "checkpoint-2").iterdir()}
    assert "model.safetensors" in names and "training_args.bin" not in names


def test_masks_of_dropout_are_drawn_fast_in_training_alone(tmp_path, monkeypatch):
    drawn = []
    own = dropout.draw
    monkeypatch.setattr(dropout, "draw", lambda out, *args: drawn.append(1) or own(out, *args))
    trainer = make_trainer(tmp_path, max_steps=1)
    for part in trainer.model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.1
    trainer.train()
    a_step = len(drawn)
    assert a_step >= 4
    trainer.evaluate()
    assert len(drawn) == a_step
    torch.nn.functional.dropout(torch.ones(9), 0.5)
    assert len(drawn) == a_step


def test_the_optimiser_is_the_fused_one(tmp_path):
    optimiser = make_trainer(tmp_path).create_optimizer()
    assert isinstance(optimiser, torch.optim.AdamW) and optimiser.defaults["fused"]


@pytest.mark.parametrize("compiled", [False, True])
def test_what_a_compiled_model_says_outlives_the_next_batch(tmp_path, monkeypatch, compiled):
    trainer = make_trainer(tmp_path)
    trainer.args.torch_compile = compiled
    static = torch.zeros(3)  # as a CUDA graph has it
    monkeypatch.setattr(trainer._task, "predict", lambda *_, **__: ((static,), ()))
    _, [kept], _ = trainer.prediction_step(trainer.model, {"input_ids": static}, False)
    static += 1
    assert (kept is static) is not compiled
    assert kept.sum() == (0 if compiled else 3)
