"""The task: which heads are kept, what is trained, and steps that add up."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, EvalPrediction, Seq2SeqTrainingArguments, TrainerCallback

from electralab.config import ModelConfig
from electralab.data.prepare import prepare
from electralab.errors import RunFailure, UserError
from electralab.tasks.classification import Classification
from electralab.tasks.try_texts import short_texts
from electralab.training.build import build_trainer
from tests.tasks.classifying import NAMES, classifier, config, data_config, examples, write_csv


def model_config(**keys) -> ModelConfig:
    from importlib.resources import files

    import yaml

    defaults = yaml.safe_load((files("electralab.conf") / "model" / "keys.yaml").read_text())
    return ModelConfig.model_validate({**defaults, "dropout": None, **keys})


def make_task(folder: Path, *, rows=None, count: int = 60, **keys) -> tuple[Classification, object]:
    """Returns the task and its prepared data, from a file of texts with three classes."""
    path = write_csv(folder / "data.csv", rows or examples(count))
    split = {"train": "train", "validation": 0.2, "test": None, "seed": 0}
    data = data_config(path=str(path), max_length=32, split=split, num_proc=1)
    task = Classification(config=config(**keys), data=data)
    prepared = prepare(
        data=data,
        columns={"text": "text", "label": "label"},
        encoder=task.encoder(),
        tokenizer=AutoTokenizer.from_pretrained(classifier(folder / "tokens", NAMES)),
        cache_dir=folder / "cache",
    )
    return task, prepared


def build(folder: Path, checkpoint: Path | None, **keys):
    task, data = make_task(folder, **keys)
    sizes = {} if checkpoint else {"embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 1}
    sizes |= {} if checkpoint else {"num_attention_heads": 2, "intermediate_size": 24}
    sizes |= {} if checkpoint else {"max_position_embeddings": 40}
    torch.manual_seed(1)  # not that of the checkpoints
    built = task.build_model(
        model=model_config(**sizes),
        data=data,
        name_or_path=checkpoint and str(checkpoint),
        generator=None,
    )
    return task, data, built


def make_trainer(folder: Path, *, arguments=(), rows=None, count: int = 60, **keys):
    """Returns a trainer of a tiny classifier; keys of the Trainer and of the task."""
    names = ("learning_rate", "weight_decay", "per_device_train_batch_size", "max_steps")
    own = {name: keys.pop(name) for name in names if name in keys} | dict(arguments)
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    checkpoint = classifier(folder / "checkpoint", NAMES, **still)
    task, data, built = build(folder, checkpoint, rows=rows, count=count, **keys)
    return build_trainer(
        task=task,
        model=built.model,
        arguments=Seq2SeqTrainingArguments(
            **({"output_dir": str(folder / "out"), "use_cpu": True, "report_to": []} | own)
        ),
        data=data,
        seed=0,
        early_stopping_patience=None,
        callbacks=[],
    )


# --- the head ----------------------------------------------------------------------------------


def test_a_checkpoint_for_the_same_classes_can_do_the_task_already(tmp_path):
    _, _, built = build(tmp_path, classifier(tmp_path / "c", NAMES))
    assert built.able and built.model.config.id2label == dict(enumerate(NAMES))


@pytest.mark.parametrize("labels", [NAMES[::-1], ["LABEL_0", "LABEL_1", "LABEL_2"]])
def test_a_head_for_other_classes_is_drawn_anew_and_said(tmp_path, caplog, labels):
    folder = classifier(tmp_path / "c", labels)
    with caplog.at_level(logging.WARNING):
        _, _, built = build(tmp_path, folder)
    assert not built.able
    assert f"tells apart {', '.join(labels)}, and not file, number, word" in caplog.text
    _, _, kept = build(tmp_path, classifier(tmp_path / "d", NAMES))
    new, old = built.model.state_dict(), kept.model.state_dict()
    assert {name for name in new if not torch.equal(new[name], old[name])} == {
        "classifier.weight"  # its bias is zero in both
    }
    assert new["classifier.weight"].std() > 0
    assert built.model.config.label2id == {"file": 0, "number": 1, "word": 2}


def test_classes_without_names_are_numbers(tmp_path):
    folder = classifier(tmp_path / "c", ["LABEL_0", "LABEL_1", "LABEL_2"])
    rows = [(text, NAMES.index(name)) for text, name in examples(60)]
    _, _, built = build(tmp_path, folder, rows=rows)
    assert built.able and built.model.config.id2label == {0: "0", 1: "1", 2: "2"}
    score = classifier(tmp_path / "d", ["LABEL_0"])
    _, _, built = build(tmp_path, score, rows=rows, problem="regression")
    assert built.able and built.model.config.id2label == {0: "score"}


def test_a_head_for_another_number_of_classes_is_drawn_anew(tmp_path):
    _, _, built = build(tmp_path, classifier(tmp_path / "c", ["a", "b"]))
    assert not built.able and built.model.classifier.out_features == 3


def test_from_scratch_there_is_an_electra(tmp_path):
    task, _, built = build(tmp_path, None)
    assert not built.able and built.model.config.model_type == "electra"
    assert built.model.config.problem_type == "single_label_classification"
    assert "3 classes: file, number, word" in task.describe(built.model)
    assert "F1" not in task.describe(built.model)


@pytest.mark.parametrize(("average", "named"), [(None, True), ("binary", True), ("macro", False)])
def test_of_two_classes_the_one_that_f1_is_of_is_named(tmp_path, average, named):
    rows = [(text, name) for text, name in examples(60) if name != "word"]
    task, _, built = build(tmp_path, None, rows=rows, average=average)
    assert ("; F1 is that of number" in task.describe(built.model)) is named


@pytest.mark.parametrize(
    ("problem", "outputs"), [("multi_label", 3), ("regression", 1), ("single_label", 3)]
)
def test_the_checkpoint_says_what_its_logits_are(tmp_path, problem, outputs):
    rows = [(text, {"regression": i}.get(problem, n)) for i, (text, n) in enumerate(examples(60))]
    _, _, built = build(tmp_path, classifier(tmp_path / "c", ["x"]), problem=problem, rows=rows)
    wanted = {"regression": "regression"}.get(problem, f"{problem}_classification")
    assert built.model.config.problem_type == wanted
    assert built.model.config.num_labels == outputs == built.model.classifier.out_features


def test_only_the_head_and_its_pooler_are_trained(tmp_path):
    trainer = make_trainer(tmp_path, freeze_encoder=True, max_steps=3, learning_rate=0.1)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    after = trainer.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    heads = {name for name in before if name.startswith(("classifier.", "bert.pooler."))}
    assert changed == heads and len(heads) == 4


def test_averages_and_weights_that_the_classes_do_not_fit(tmp_path):
    for number, keys in enumerate(({"average": "binary"}, {"class_weights": [1.0, 2.0]})):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(UserError, match=f"`task.{next(iter(keys))}`"):
            build(folder, None, **keys)


# --- steps -------------------------------------------------------------------------------------


class Losses(TrainerCallback):
    def __init__(self) -> None:
        self.losses = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.losses.append((logs["loss"], logs.get("grad_norm")))


@pytest.mark.parametrize("keys", [{"class_weights": [0.2, 5.0, 1.0]}, {}])
def test_accumulated_batches_are_one_batch(tmp_path, keys):
    """2 x 8 and 1 x 16, with lengths and class weights that differ between the halves."""
    ends = []
    for name, size, accumulate in (("one", 16, 1), ("two", 8, 2)):
        (tmp_path / name).mkdir()
        settings = {
            "gradient_accumulation_steps": accumulate,
            "per_device_train_batch_size": size,
            "logging_steps": 1,
            "optim": "sgd",
            "learning_rate": 0.1,
            "max_steps": 1,
        }
        trainer = make_trainer(tmp_path / name, arguments=settings, count=20, **keys)
        trainer.model.double()  # where the order of a sum hardly shows, on any machine
        losses = Losses()
        trainer.add_callback(losses)
        before = {n: v.clone() for n, v in trainer.model.state_dict().items()}
        # 16 rows are trained on: one effective batch holds them all, in whatever order.
        assert len(trainer.train_dataset) == 16
        trainer.train()
        after = trainer.model.state_dict()
        moves = torch.cat([(after[n] - before[n]).flatten() for n in before])
        ends.append((losses.losses[0], moves))
    (one, moved), (two, also_moved) = ends
    assert one == pytest.approx(two, rel=1e-6)
    assert torch.allclose(moved, also_moved, rtol=1e-6, atol=1e-9) and moved.abs().max() > 1e-3


def test_a_window_counts_its_rows_and_tokens(tmp_path):
    trainer = make_trainer(tmp_path, class_weights="balanced")
    task, model = trainer._task, trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    step = task.step(model, batch, None)
    right = (model(**batch).logits.argmax(-1) == batch["labels"]).float().mean()
    assert task.window_metrics(step.statistics.tolist())["accuracy"] == pytest.approx(float(right))
    assert step.statistics[task.tokens] == batch["attention_mask"].sum()
    doubled = task.step(model, batch, 2 * task.count_items(batch))
    assert doubled.loss.item() == pytest.approx(step.loss.item() / 2)


# --- evaluation --------------------------------------------------------------------------------


def evaluate(task: Classification, logits, labels) -> dict[str, float]:
    found = EvalPrediction(predictions=(np.array(logits),), label_ids=(np.array(labels),))
    return task.compute_metrics(found)


def test_numbers_that_are_not_finite_end_the_run(tmp_path):
    task, _, _ = build(tmp_path, None)
    with pytest.raises(RunFailure, match=r"diverged.*`trainer\.learning_rate`"):
        evaluate(task, [[np.nan, 0, 0]], [1])


def test_the_picture_is_of_the_last_evaluation_of_each_split(tmp_path):
    task, data, built = build(tmp_path, None)
    assert task.artifacts(built.model, data, tmp_path) == []
    for split, logits in (("eval", [[0, 9, 0]]), ("test", [[9, 0, 0]]), ("eval", [[0, 0, 9]])):
        task._split = split
        evaluate(task, logits, [1])
    assert task._matrices["eval"].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    pictures = task.artifacts(built.model, data, tmp_path)
    assert [path.name for path in pictures] == ["confusion_eval.png", "confusion_test.png"]
    assert all(path.stat().st_size > 1000 for path in pictures)


def test_the_summary_holds_the_gain_and_the_most_frequent_class(tmp_path):
    task, data, _ = build(tmp_path, None)
    metrics = {"eval_accuracy": 0.75, "eval_f1": 0.5, "train_runtime": 3.0}
    [line] = task.highlights(metrics, baseline={"eval_accuracy": 0.5}, data=data)
    assert "eval_accuracy 0.7500 (before: 0.5000, +0.2500)" in line and "eval_f1 0.5000" in line
    labels = data.validation.table["labels"][:]
    share = max(labels.count(number) for number in range(3)) / len(labels)
    assert f"accuracy {share:.4f}" in line
    assert task.highlights({}, baseline={}, data=data)


def test_examples_to_try_are_held_out_texts(tmp_path):
    task, data, _ = build(tmp_path, None)
    texts = {text for text, _ in examples(60)}
    found = task.examples(data)
    assert len(set(found)) == 2 and set(found) <= texts


def test_pairs_to_try_have_a_tab_between(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(classifier(tmp_path / "c", NAMES))
    pairs = [("the path of a file", "is returned as text"), ("keys and values", "are given")]
    ids = [tokenizer(*pair)["input_ids"] for pair in pairs]

    class Rows:
        lengths = np.array([len(row) for row in ids])

        def __getitem__(self, row):
            return {"input_ids": ids[row]}

    found = short_texts(Rows(), tokenizer, number=2, texts=2)
    assert sorted(found) == sorted("\t".join(pair) for pair in pairs)
