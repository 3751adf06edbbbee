"""Texts that share rows: the same steps as a text a row, the same end after a break."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from transformers import AutoTokenizer

from electralab.cli import main
from electralab.data.collate import PackingCollator
from electralab.data.prepare import prepare
from electralab.tasks.classification import Classification
from electralab.training.trainer import ExperimentTrainer
from tests.running.test_resume import history_of, metrics_of, runs, weights_of
from tests.tasks.classifying import (
    NAMES,
    classifier,
    config,
    data_config,
    examples,
    words,
    write_csv,
)
from tests.tasks.test_classification import make_trainer, model_config

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
LABELS = {
    "single_label": lambda number, name: name,
    "multi_label": lambda number, name: f"{name},{NAMES[number % 3]}",
    "regression": lambda number, name: number / 7,
}


def make(folder, *, packing: str, pair: bool = False, **keys):
    """Returns a task, its data and a model without dropout, in float64."""
    problem = keys.get("problem", "single_label")
    rows = [
        (text, text[::-1][:30], LABELS[problem](number, name))
        for number, (text, name) in enumerate(examples(40))
    ]
    path = write_csv(folder / "data.csv", rows, columns=("text", "other", "label"))
    columns = {"text": "text", "label": "label"} | ({"text_pair": "other"} if pair else {})
    named = {"source": "source", "target": "target", "text_pair": None, **columns}
    data = data_config(
        path=str(path),
        packing=packing,
        columns=named,
        max_length=48,
        split={"train": "train", "validation": 0.2, "test": None, "seed": 0},
        num_proc=1,
    )
    task = Classification(config=config(**keys), data=data)
    checkpoint = classifier(folder / "checkpoint", NAMES, **STILL)
    prepared = prepare(
        data=data,
        columns=columns,
        encoder=task.encoder(),
        tokenizer=AutoTokenizer.from_pretrained(checkpoint),
        cache_dir=folder / "cache",
    )
    torch.manual_seed(0)
    named = {"name_or_path": str(checkpoint), "generator": None}
    built = task.build_model(model=model_config(), data=prepared, **named)
    return task, prepared, built.model.double()


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize(
    "keys",
    [
        {"class_weights": [0.2, 5.0, 1.0]},
        {"problem": "multi_label"},
        {"problem": "regression"},
    ],
)
def test_a_step_is_that_of_a_text_a_row(tmp_path, keys, pair):
    found = {}
    for packing in ("separate", "none"):
        folder = tmp_path / packing
        folder.mkdir()
        task, data, model = make(folder, packing=packing, pair=pair, **keys)
        collate, of_evaluation = task.collators(data=data, seed=0)
        assert isinstance(collate, PackingCollator) == (packing == "separate")
        assert not isinstance(of_evaluation, PackingCollator)
        batch = collate([data.train[row] for row in range(20)])
        assert (len(batch["input_ids"]) < 20) == (packing == "separate")
        step = task.step(model, batch, None)
        step.loss.backward()
        grads = {name: part.grad for name, part in model.named_parameters()}
        found[packing] = step, task.count_items(batch), grads
    (packed, items, grads), (padded, wanted_items, wanted) = found.values()
    torch.testing.assert_close(items, wanted_items)
    torch.testing.assert_close(packed.loss, padded.loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(packed.statistics, padded.statistics)
    for name, grad in wanted.items():
        torch.testing.assert_close(grads[name], grad, rtol=1e-5, atol=1e-8, msg=name)


def test_a_run_that_was_cut_ends_as_one_that_was_not(here, monkeypatch, capsys):
    """Two epochs, accumulated, with dropout."""
    table = write_csv(here / "data.csv", examples(60))
    run = words(table, "tracking=off", "data.packing=separate", "trainer.max_steps=9")
    run += ["trainer.gradient_accumulation_steps=2", "trainer.per_device_train_batch_size=4"]
    assert main([*run, "name=straight"]) == 0
    assert "several texts a row, kept apart: " in capsys.readouterr().err
    [straight] = runs(here, "straight")
    step, seen = ExperimentTrainer.training_step, iter(range(1, 99))

    def stepping(trainer, *args, **kwargs):
        if next(seen) == 10:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(trainer, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(ExperimentTrainer, "training_step", stepping)
        assert main([*run, "name=cut"]) == 143
    [cut] = runs(here, "cut")
    assert main(["resume", str(cut)]) == 0
    assert weights_of(cut) == weights_of(straight)
    assert metrics_of(cut) == metrics_of(straight) and history_of(cut) == history_of(straight)


def test_an_evaluation_is_the_same_in_batches_of_any_size(here):
    table = write_csv(here / "data.csv", examples(60))
    found = []
    for size in (1, 5, 64):
        more = [f"trainer.per_device_eval_batch_size={size}", f"name=by{size}", "tracking=off"]
        assert main([*words(table, *more), "data.split.validation=0.4"]) == 0
        [run] = runs(here, f"by{size}")
        measured = metrics_of(run)
        found.append([measured[name] for name in sorted(measured) if name.startswith("eval_")])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0] == pytest.approx(found[2], rel=1e-5)


def test_an_evaluation_in_bf16_runs_in_bf16_without_gradients_and_has_the_same_metrics(tmp_path):
    found, seen = {}, set()
    for name in ("bf16", "float32"):
        (tmp_path / name).mkdir()
        trainer = make_trainer(tmp_path / name, arguments={"bf16": name == "bf16"})

        def look(module, inputs, output, name=name):
            seen.add((name, output.dtype, output.is_inference()))

        trainer.model.classifier.register_forward_hook(look)
        found[name] = trainer.evaluate()
    assert seen == {("bf16", torch.bfloat16, True), ("float32", torch.float32, True)}
    half, full = found.values()
    assert half.keys() == full.keys()
    assert half["eval_loss"] == pytest.approx(full["eval_loss"], rel=0.02)
    assert half["eval_loss"] != full["eval_loss"]
