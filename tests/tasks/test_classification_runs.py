"""Whole runs of `task=classification` through the command line, on tiny models."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, pipeline

from electralab.checking.classification_checks import METRICS
from electralab.cli import main
from electralab.timing import TIMING_METRICS
from electralab.training import session
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY as RTD_TINY
from tests.conftest import write_corpus
from tests.tasks.classifying import NAMES, classifier, examples, tune, words, write_csv

OFF = "tracking=off"


def runs(folder: Path, name: str = "classification") -> list[Path]:
    return sorted(path for path in (folder / "outputs" / name).iterdir() if path.is_dir())


def read(run: Path, name: str = "summary.json") -> dict:
    return json.loads((run / name).read_text())


def weights(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


@pytest.fixture
def table(here) -> Path:
    return write_csv(here / "data.csv", examples(90))


def measured(run: Path) -> set[str]:
    found = {name for name in read(run)["metrics"] if name.startswith("eval_")}
    return {name.removeprefix("eval_") for name in found - TIMING_METRICS}


def test_a_run_learns_and_leaves_a_plain_folder_and_pictures(here, capsys):
    table = write_csv(here / "data.csv", examples(400))
    # So that each of ten seeds gets there; 150 steps at 5e-3 were enough for six of them.
    more = ["trainer.max_steps=400", "trainer.learning_rate=2e-3", "data.split.test=0.2"]
    steps = ["trainer.eval_steps=400", "trainer.save_steps=400", "trainer.logging_steps=50"]
    assert main(words(table, OFF, "model.initializer_range=0.2", *more, *steps)) == 0
    [run] = runs(here)
    metrics = read(run)["metrics"]
    assert metrics["eval_accuracy"] > 0.9 and metrics["test_accuracy"] > 0.9
    assert measured(run) == set(METRICS["single_label"])
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert model.config.id2label == dict(enumerate(NAMES))
    assert model.config.label2id == {name: number for number, name in enumerate(NAMES)}
    assert {path.name for path in run.glob("*.png")} >= {"confusion_eval.png", "confusion_test.png"}
    said = capsys.readouterr().err
    assert "3 classes: file, number, word" in said and "always" in said
    assert read(run)["baseline_metrics"] == {}


def test_what_a_classifier_could_do_before_is_measured_and_the_gain_is_said(table, here, capsys):
    model = classifier(here / "model", NAMES)
    assert main(tune(table, model, OFF, "trainer.learning_rate=1e-3")) == 0
    [run] = runs(here)
    before = read(run)["baseline_metrics"]
    assert {f"eval_{name}" for name in METRICS["single_label"]} == set(before)
    assert f"(before: {before['eval_accuracy']:.4f}" in capsys.readouterr().err
    assert main(tune(table, run, OFF, "name=again", "trainer.max_steps=1")) == 0
    [again] = runs(here, "again")
    # The head of an earlier run is kept: it begins where that one ended.
    wanted = read(run)["metrics"]["eval_loss"]
    assert read(again)["baseline_metrics"]["eval_loss"] == pytest.approx(wanted, rel=1e-6)


def test_a_text_that_is_cut_off_is_judged_as_by_a_pipeline_on_the_export(table, here, capsys):
    assert main(words(table, OFF, "data.max_length=16", "trainer.max_steps=2")) == 0
    [run] = runs(here)
    assert main(["export", str(run), str(here / "out")]) == 0
    long = " ".join(text for text, _ in examples(20))
    judge = pipeline("text-classification", model=str(here / "out"), device="cpu")
    [wanted] = judge([long], truncation=True)
    capsys.readouterr()
    assert main(["predict", str(run), long, "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["label"] == wanted["label"] and found["truncated"]
    assert found["score"] == pytest.approx(wanted["score"], abs=1e-6)
    assert "longer than the run's data.max_length=16" in said.err
    # The model still reads more, if a run that starts from it asks for more.
    more = ["name=more", "data.max_length=32", "trainer.max_steps=1"]
    assert main(tune(table, here / "out", OFF, *more)) == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", "3"])
def test_a_damaged_tokenizer_is_not_exported(table, here, capsys, damage):
    assert main(words(table, OFF, "trainer.max_steps=1")) == 0
    [run] = runs(here)
    (run / "model" / "tokenizer_config.json").write_text(damage)
    capsys.readouterr()
    assert main(["export", str(run), str(here / "out")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "must hold a tokenizer_config.json that can be read" in line
    assert not (here / "out").exists()


def test_a_setting_that_does_not_fit_is_said_before_the_report_of_prepared_data(
    table, here, capsys
):
    assert main(words(table, OFF, "trainer.max_steps=1")) == 0
    capsys.readouterr()
    assert main(words(table, OFF, "trainer.max_steps=1", "task.average=binary")) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "`task.average` must be macro or null" in line


def test_a_run_of_replaced_token_detection_is_fine_tuned_with_its_tokenizer(table, here):
    write_corpus(here / "corpus.txt")
    rtd = ["data=text", "data.path=corpus.txt", *RTD_TINY, OFF, "trainer.max_steps=1"]
    assert main(rtd) == 0
    [adapted] = runs(here, "rtd")
    assert main(tune(table, adapted, OFF, "trainer.learning_rate=1e-9", "seed=1")) == 0
    [run] = runs(here)
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert model.config.model_type == "electra" and read(run)["baseline_metrics"] == {}
    assert read(run, "model/tokenizer.json") == read(adapted, "model/tokenizer.json")
    from electralab.models.loading import load_whole_pair

    pair = load_whole_pair(str(adapted / "model"))
    mine = dict(model.electra.named_parameters())
    for name, value in pair.discriminator.electra.named_parameters():
        assert (value - mine[name]).abs().max() < 1e-6, name


CASES = {
    "weights": ["task.class_weights=balanced", "task.layer_decay=0.7"],
    "frozen": ["task.freeze_encoder=true", "model.initializer_range=0.2"],
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_was_cut_ends_as_one_that_was_not(table, here, monkeypatch, case):
    more = [
        *CASES[case],
        OFF,
        "trainer.max_steps=14",
        "trainer.save_steps=4",
        "trainer.eval_steps=7",
    ]
    command = words(table, *more, "model.dropout=0.1")
    assert main([*command, "name=straight"]) == 0
    with monkeypatch.context() as patch:
        function, count = ExperimentTrainer.training_step, iter(range(1, 100))

        def stepping(trainer, *args, **kwargs):
            if next(count) == 11:  # in the second epoch of 9 steps
                os.kill(os.getpid(), signal.SIGTERM)
            return function(trainer, *args, **kwargs)

        patch.setattr(ExperimentTrainer, "training_step", stepping)
        assert main([*command, "name=cut"]) == 143
    [straight], [cut] = runs(here, "straight"), runs(here, "cut")
    assert main(["resume", str(cut)]) == 0
    assert weights(cut) == weights(straight)
    one, other = (read(run)["metrics"] for run in (cut, straight))
    assert {name: one[name] for name in one if name in other and "eval_" in name} != {}
    for name in METRICS["single_label"]:
        assert one[f"eval_{name}"] == other[f"eval_{name}"]


def test_a_run_that_was_cut_in_its_last_step_has_all_pictures(table, here):
    assert main(words(table, OFF, "data.split.test=0.2")) == 0
    [run] = runs(here)
    metrics, files = read(run)["metrics"], {path.name for path in run.iterdir()}
    shutil.rmtree(run / "model")
    for leftover in [*run.glob("*.png"), run / "summary.json"]:
        leftover.unlink()
    assert main(["resume", str(run)]) == 0
    assert {path.name for path in run.iterdir()} >= files - {"data.png"}
    again = read(run)["metrics"]
    assert {name: again[name] for name in again if name not in TIMING_METRICS} == {
        name: metrics[name] for name in metrics if name not in TIMING_METRICS
    }


@pytest.mark.parametrize("problem", ["single_label", "multi_label", "regression"])
def test_accumulation_equals_the_one_large_batch(here, problem):
    rows = [
        (text, len(text) / 10 if problem == "regression" else name) for text, name in examples(90)
    ]
    path = write_csv(here / "data.csv", rows)
    more = [OFF, f"task.problem={problem}", "model.dropout=0", "trainer.max_steps=12"]
    if problem == "single_label":
        more.append("task.class_weights=[0.3,1,5]")
    parts = ["trainer.per_device_train_batch_size=4", "trainer.gradient_accumulation_steps=2"]
    assert main(words(path, *more, "name=one")) == 0  # 72 rows in batches of 8
    assert main(words(path, *more, *parts, "name=two")) == 0
    [one], [two] = runs(here, "one"), runs(here, "two")
    one, two = (load_file(run / "model" / "model.safetensors") for run in (one, two))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)


def test_the_measure_before_leaves_no_trace_in_the_training(table, here, monkeypatch):
    command = tune(table, classifier(here / "model", NAMES), OFF, "model.dropout=0.2")
    assert main([*command, "name=measured"]) == 0
    monkeypatch.setattr(session, "_measure_before", lambda *args, **kwargs: None)
    assert main([*command, "name=unmeasured"]) == 0
    [one], [other] = runs(here, "measured"), runs(here, "unmeasured")
    assert read(one)["baseline_metrics"] and not read(other)["baseline_metrics"]
    assert weights(one) == weights(other)


def test_pairs(here):
    rows = [(one, other, first == second) for (one, first), (other, second) in zip(
        examples(60), examples(60, seed=1), strict=True
    )]  # fmt: skip
    path = write_csv(here / "pairs.csv", rows, ("a", "b", "same"))
    columns = ["data.columns.text=a", "data.columns.text_pair=b", "data.columns.label=same"]
    assert main(words(path, *columns, OFF)) == 0
    [run] = runs(here)
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert model.config.id2label == {0: "false", 1: "true"}
    assert set(METRICS["single_label"]) == measured(run)


@pytest.mark.parametrize("problem", ["regression", "multi_label"])
def test_scores_and_several_labels(here, problem, capsys):
    rows = [
        (text, len(text) / 10 if problem == "regression" else f"{name}|{'long' * (len(text) > 60)}")
        for text, name in examples(60)
    ]
    rows += [(f"nothing of it {number}", "") for number in range(9)]
    path = write_csv(here / "data.csv", rows)
    keys = [f"task.problem={problem}", "task.label_separator='|'"]
    best = "eval_pearson" if problem == "regression" else "eval_f1_macro"
    chosen = ["trainer.load_best_model_at_end=true", f"trainer.metric_for_best_model={best}"]
    assert main(words(path, *keys, *chosen, "trainer.greater_is_better=true", OFF)) == 0
    [run] = runs(here)
    assert measured(run) == set(METRICS[problem])
    dropped = {} if problem == "multi_label" else {"without_label": 9}
    assert read(run, "data.json")["dropped"] == dropped | {"without_tokens": 0}
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert model.config.num_labels == (1 if problem == "regression" else 4)
    assert not list(run.glob("confusion*"))
    said = capsys.readouterr().err
    assert ("eval_pearson" in said) is (problem == "regression")


def test_stray_labels_are_dropped_where_that_is_asked(here):
    rows = [*examples(60), ("a text", "maybe"), ("another", "")]
    path = write_csv(here / "data.csv", rows)
    declared = ["task.labels=[word,file,number]", "data.clean.drop_stray_labels=true"]
    assert main(words(path, *declared, OFF, "trainer.max_steps=1")) == 0
    [run] = runs(here)
    model = AutoModelForSequenceClassification.from_pretrained(run / "model")
    assert model.config.id2label == {0: "word", 1: "file", 2: "number"}
