"""Masked language modelling: losses that equal a slow one, evaluation that compares, whole runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM, EvalPrediction

from electralab.cli import main
from electralab.errors import RunFailure
from electralab.task_config import MlmConfig
from electralab.tasks.mlm import MaskedLanguageModelling
from tests.conftest import TINY
from tests.models.conftest import VOCAB, make_examples


class Tokenizer(SimpleNamespace):
    def __len__(self):
        return VOCAB


TOKENIZER = Tokenizer(
    pad_token_id=0, mask_token_id=4, all_special_ids=[0, 1, 2, 3, 4], padding_side="right"
)


def make_task(**changes) -> MaskedLanguageModelling:
    keys = {
        "name": "mlm",
        "mask_prob": 0.15,
        "mask_share": 0.8,
        "random_share": 0.1,
        "whole_word": False,
        "eval_mask_prob": 0.15,
        "preview_steps": None,
        "preview_examples": 1,
    }
    config = MlmConfig(**(keys | changes))
    return MaskedLanguageModelling(config=config, data=SimpleNamespace(max_length=32))


def collators(task, seed=0):
    return task.collators(data=SimpleNamespace(tokenizer=TOKENIZER), seed=seed)


def make_model() -> BertForMaskedLM:
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCAB, "hidden_size": 16, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32}
    return BertForMaskedLM(BertConfig(**sizes, initializer_range=0.3)).double().eval()


def test_evaluation_masks_are_the_same_in_every_run():
    examples = make_examples([30, 12, 5])
    _, reference = collators(make_task())
    _, other = collators(make_task(mask_prob=0.4, mask_share=0.5, random_share=0.0), seed=9)
    one, two = reference(examples), other(examples)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    train, evaluation = collators(make_task())
    assert not torch.equal(train(examples)["input_ids"], evaluation(examples)["input_ids"])
    _, rarer = collators(make_task(eval_mask_prob=0.05))
    assert rarer(examples)["chosen"].sum() < one["chosen"].sum()


@pytest.mark.parametrize("lengths", [[30, 30], [30, 12, 5]])
def test_the_loss_is_that_of_the_model_with_labels(lengths):
    task, model = make_task(mask_prob=0.4), make_model()
    collate, _ = collators(task)
    batch = collate(make_examples(lengths))
    labels = torch.full_like(batch["input_ids"], -100)
    for row, (places, chosen) in enumerate(zip(batch["positions"], batch["chosen"], strict=True)):
        for column, place in enumerate(places):
            if chosen[column]:
                labels[row, place] = batch["originals"][row, column]
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch.get("attention_mask")}
    wanted = model(**inputs, labels=labels)
    found = task.step(model, batch, None)
    torch.testing.assert_close(found.loss, wanted.loss, rtol=1e-9, atol=0)
    right = ((wanted.logits.argmax(-1) == labels) & (labels >= 0)).sum()
    chosen, tokens = (labels >= 0).sum(), sum(lengths) + 2 * len(lengths)
    assert found.statistics.tolist()[1:] == [chosen, right, tokens]
    assert task.window_metrics(found.statistics.tolist())["accuracy"] == right / chosen
    # Divided by the totals of a larger effective batch.
    part = task.step(model, batch, task.count_items(batch) * 4)
    torch.testing.assert_close(part.loss, wanted.loss / 4, rtol=1e-9, atol=0)

    predictions, right_or_not = task.predict(model, batch, split="eval")
    arrays = [tuple(part.detach().numpy() for part in all) for all in (predictions, right_or_not)]
    metrics = task.compute_metrics(EvalPrediction(*arrays))
    assert metrics["loss"] == pytest.approx(wanted.loss.item(), rel=1e-9)
    assert metrics["perplexity"] == pytest.approx(np.exp(wanted.loss.item()), rel=1e-9)
    assert metrics["accuracy"] == pytest.approx((right / chosen).item())


def test_a_model_that_diverged_is_a_failure():
    arrays = ((np.array([[np.nan, 1.0]]),), (np.array([[1, -100]], dtype=np.int8),))
    with pytest.raises(RunFailure, match="diverged"):
        make_task().compute_metrics(EvalPrediction(*arrays))


def command(corpus: Path, *more: str) -> list[str]:
    return ["task=mlm", "data=text", f"data.path={corpus}", "tracking=off", *TINY, *more]


def only_run(folder: Path, name: str = "mlm") -> Path:
    [run] = (folder / "outputs" / name).iterdir()
    return run


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def test_a_run_learns_and_the_next_one_begins_where_it_ended(corpus, here, capsys):
    more = ["trainer.max_steps=40", "trainer.learning_rate=0.01", "trainer.eval_steps=40"]
    assert main(command(corpus, *more, "task.preview_steps=40")) == 0
    first = summary_of(only_run(here))
    metrics = first["metrics"]
    assert {"loss", "accuracy", "eval_loss", "eval_accuracy", "tokens_per_second"} <= set(metrics)
    assert metrics["eval_perplexity"] == pytest.approx(np.exp(metrics["eval_loss"]))
    assert metrics["eval_loss"] < np.log(300) - 0.5 and first["baseline_metrics"] == {}
    shown = capsys.readouterr().err
    for part in ("filled in", "[MASK]", "eval_perplexity", "unigram entropy", "electralab predict"):
        assert part in shown

    words = [word for word in command(corpus, "name=next") if not word.startswith("model.")]
    words += ["model=auto", f"model.name_or_path={only_run(here)}", "trainer.learning_rate=0"]
    # Whatever the training masks are, the evaluation is the same.
    assert main([*words, "task.mask_prob=0.3", "task.whole_word=true", "seed=5"]) == 0
    second = summary_of(only_run(here, "next"))
    for name, value in second["baseline_metrics"].items():
        assert value == pytest.approx(metrics[name], rel=1e-5), name
    assert second["metrics"]["eval_loss"] == pytest.approx(metrics["eval_loss"], rel=1e-5)
    assert "(before: " in capsys.readouterr().err


@pytest.mark.parametrize("whole_word", ["false", "true"])
def test_a_resumed_run_ends_in_the_same_weights(corpus, here, whole_word):
    more = [f"task.whole_word={whole_word}", "model.vocab_size=64", "model.dropout=0.1"]
    assert main(command(corpus, *more)) == 0
    run = only_run(here)
    straight = load_file(run / "model" / "model.safetensors")
    (run / "summary.json").unlink()
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "checkpoints" / "checkpoint-6")
    assert main(["resume", str(run)]) == 0
    resumed = load_file(run / "model" / "model.safetensors")
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in straight.items())


def test_the_generator_of_a_pair_is_a_model_that_is_able(corpus, here):
    assert main(["data=text", f"data.path={corpus}", "tracking=off", *TINY]) == 0
    pair = only_run(here, "rtd")
    words = [word for word in command(corpus) if not word.startswith("model.")]
    words += ["model=auto", f"model.name_or_path={pair}", "trainer.learning_rate=0"]
    assert main(words) == 0
    summary = summary_of(only_run(here))
    assert summary["baseline_metrics"]["eval_loss"] == summary["metrics"]["eval_loss"]
    fresh = {word for word in words if "name_or_path" not in word and word != "model=auto"}
    assert main([*fresh, *TINY, "name=fresh", "trainer.bf16=true", "data.packing=none"]) == 0
    assert summary_of(only_run(here, "fresh"))["baseline_metrics"] == {}
