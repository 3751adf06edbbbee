"""Translation through the command line: exact sums, whole references, resuming, predicting."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from electralab.checking.metrics import EVAL_METRICS
from electralab.cli import main
from electralab.data.parallel import ParallelCollator
from electralab.models.networks import load_network
from electralab.predicting.translation import TranslationPredictor
from electralab.task_config import TranslationConfig
from electralab.tasks.bleu import translation_scores
from electralab.tasks.translation import Translation
from electralab.timing import TIMING_METRICS
from tests.tasks.translating import pairs, words, write_pairs


def run_folder(name: str = "translation") -> Path:
    return max((Path("outputs") / name).iterdir(), key=lambda folder: folder.stat().st_mtime)


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run long enough to know some words, with a test split, and its folder."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        path, test = write_pairs(place / "pairs.jsonl", 400), write_pairs(place / "t.jsonl", 20, 9)
        more = ["trainer.max_steps=250", "trainer.learning_rate=3e-3", "trainer.eval_steps=125"]
        more += ["trainer.per_device_train_batch_size=16", "trainer.save_strategy=no"]
        more += ["model.initializer_range=0.1", "model.dropout=0", "task.label_smoothing=0"]
        assert main(words(path, *more, f"data.split.test={test}")) == 0
        yield (place / run_folder()).absolute()


def make_task(**changes) -> Translation:
    keys = {"source_lang": None, "target_lang": None, "prefix": "", "label_smoothing": 0.0}
    keys |= {"num_beams": 2, "eval_num_beams": 1, "examples": 2}

    class Data:
        max_length, max_target_length = 32, None

    return Translation(config=TranslationConfig(name="translation", **keys | changes), data=Data())


def test_a_trained_model_translates_and_the_gain_is_kept(trained):
    found = summary(trained)
    metrics, before = found["metrics"], found["baseline_metrics"]
    assert before["eval_bleu"] < 1 and before["eval_generated_length"] <= 16
    assert "eval_chrf" not in before and "eval_ter" not in before  # of 16 tokens each
    assert metrics["eval_bleu"] > 60 and metrics["test_bleu"] > 60
    assert metrics["eval_loss"] < before["eval_loss"] / 4
    assert metrics["eval_chrf"] > 60 and metrics["eval_ter"] < 40
    assert set(json.loads((trained / "signatures.json").read_text())) == {"bleu", "chrf", "ter"}
    measured = {name for name in metrics if name.startswith("eval_")} - TIMING_METRICS
    assert measured == {f"eval_{name}" for name in EVAL_METRICS["translation"]}


def test_the_table_shows_sentences_before_and_after(trained):
    table = json.loads((trained / "translations.json").read_text())
    truth = set(pairs(400))
    assert len(table) == 4 and all((row["source"], row["reference"]) in truth for row in table)
    assert any(row["after"] == row["reference"] for row in table)
    assert not any(row["before"] == row["reference"] for row in table)


def test_predicting_writes_what_generate_writes(trained):
    """Nothing but the folder is needed to get the same: no beams, no lengths, no ids by hand."""
    config = yaml.safe_load((trained / "config.yaml").read_text())
    texts = ["open the file %1", "", "  ", "copy the key {name}…", "find the word"]
    found = TranslationPredictor(trained / "model", config=config).batch(texts, top_k=5)
    tokenizer = AutoTokenizer.from_pretrained(trained / "model")
    model = AutoModelForSeq2SeqLM.from_pretrained(trained / "model").eval()
    assert model.generation_config.num_beams == config["task"]["num_beams"] == 4
    for text, result in zip(texts, found, strict=True):
        written = model.generate(**tokenizer(text, return_tensors="pt"))[0]
        wanted = tokenizer.decode(written, skip_special_tokens=True) if text.strip() else ""
        assert result == {"text": text, "translation": wanted}
    assert found[0]["translation"] == "ouvrir le fichier %1"


def test_a_text_that_is_cut_off_is_marked(trained):
    config = yaml.safe_load((trained / "config.yaml").read_text())
    predictor = TranslationPredictor(trained / "model", config=config)
    long, short = predictor.batch(["open the file " * 30, "open the file"], top_k=1)
    assert long["truncated"] and "truncated" not in short


def test_scores_are_of_the_texts_themselves(trained):
    """Not of what is left of a reference when it is cut to ids and put together again."""
    written = summary(trained)["metrics"]
    config = yaml.safe_load((trained / "config.yaml").read_text())
    lines = Path(config["data"]["split"]["test"]).read_text().splitlines()
    test = [json.loads(line)["translation"] for line in lines]
    predictor = TranslationPredictor(trained / "model", config=config)
    found = [row["translation"] for row in predictor.batch([r["en"] for r in test], top_k=1)]
    scores, _ = translation_scores(found, [r["fr"] for r in test])
    assert {name: written[f"test_{name}"] for name in scores} == pytest.approx(scores)


def test_references_are_whole_where_targets_are_cut_off(here):
    path = write_pairs(here / "pairs.jsonl")
    assert main(words(path, "data.max_target_length=8", "trainer.max_steps=1")) == 0
    table = json.loads((run_folder() / "translations.json").read_text())
    assert all((row["source"], row["reference"]) in set(pairs(60)) for row in table)


def test_accumulated_batches_weigh_every_target_token_alike(trained):
    network = load_network(AutoModelForSeq2SeqLM, str(trained / "model"), dropout=0.0)
    model, tokenizer = network.model.train(), AutoTokenizer.from_pretrained(trained / "model")
    task, collate = make_task(), ParallelCollator(pad_id=0)
    rows = []
    for index, (source, target) in enumerate([*pairs(5), ("open", "x " * 12)]):
        ids = tokenizer([source, target])["input_ids"]
        rows.append({"input_ids": ids[0], "labels": ids[1], "index": index})
    parts = [collate(rows[:1]), collate(rows[1:4]), collate(rows[4:])]
    totals = torch.stack([task.count_items(part) for part in parts]).sum(0)
    for part in parts:
        task.step(model, part, totals).loss.backward()
    learned = {name: p for name, p in model.named_parameters() if p.grad is not None}
    assert len(learned) > 30  # all but the sinusoids
    accumulated = {name: parameter.grad.clone() for name, parameter in learned.items()}
    model.zero_grad()
    model.double()
    surprise = []
    for row in rows:
        logits = model(
            input_ids=torch.tensor([row["input_ids"]]),
            decoder_input_ids=torch.tensor([[0, *row["labels"][:-1]]]),
        ).logits[0]
        surprise += [-logits[i].log_softmax(-1)[label] for i, label in enumerate(row["labels"])]
    torch.stack(surprise).mean().backward()
    for name, parameter in learned.items():
        torch.testing.assert_close(
            accumulated[name].double(), parameter.grad, rtol=2e-4, atol=2e-6, msg=name
        )


@pytest.mark.parametrize("stopped", ["at step 3", "at the last step", "before the evaluation"])
def test_a_resumed_run_ends_as_one_that_was_never_stopped(here, stopped):
    path = write_pairs(here / "pairs.jsonl")
    assert main(words(path, "name=whole")) == 0
    whole = run_folder("whole")
    assert main(words(path, "name=part")) == 0
    part = run_folder("part")
    if stopped == "at step 3":
        shutil.rmtree(part / "checkpoints" / "checkpoint-6")
    if stopped != "before the evaluation":
        shutil.rmtree(part / "model")
    state = part / "summary.json"
    before = json.loads(state.read_text())
    state.write_text(json.dumps(before | {"status": "KILLED"}))
    (part / "translations.json").unlink()
    (part / "signatures.json").unlink()
    assert main(["resume", str(part)]) == 0
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (whole, part))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for file in ("translations.json", "baseline.json", "signatures.json"):
        assert (whole / file).read_text() == (part / file).read_text()
    one, other = before["metrics"], json.loads(state.read_text())["metrics"]
    for name in one.keys() - TIMING_METRICS:
        assert name == "loss" or one[name] == other[name], name


def test_an_untrained_model_is_stopped_early_and_a_trained_one_is_not(trained):
    network = load_network(AutoModelForSeq2SeqLM, str(trained / "model"))
    network.model.generation_config.forced_eos_token_id = None
    network.model.generation_config.eos_token_id = None  # it never stops by itself
    task = make_task()
    batch = {"input_ids": torch.tensor([[5, 1]]), "attention_mask": torch.tensor([[1, 1]])}
    task._from_scratch = task.at_start = True
    assert task._write(network.model, batch, num_beams=1).shape[1] == 16
    task.at_start = False
    assert task._write(network.model, batch, num_beams=1).shape[1] == 32


def test_the_summary_says_the_gain_the_signature_and_some_sentences(trained):
    log = (trained / "run.log").read_text()
    assert re.search(r"eval_bleu \d+\.\d\d \(before: 0\.\d\d, \+\d+\.\d\d\)", log)
    assert "nrefs:1|case:mixed" in log and log.count("reference  ") == 3


@pytest.mark.parametrize("baseline", [{}, {"eval_bleu": 0.0}])
def test_a_sentence_that_came_to_nothing_is_said_to(baseline):
    task = make_task(examples=1)
    task._table = [{"source": "a", "reference": "b", "before": "", "after": ""}]
    lines = task.highlights({"eval_bleu": 0.0}, baseline=baseline, data=None)
    assert "after          (nothing)" in lines
    assert ("before         (nothing)" in lines) is bool(baseline)


def test_the_sentences_of_the_table_follow_from_the_split_alone():
    task = make_task(examples=4)

    class Data:
        validation = np.zeros(10)

    assert task._chosen(Data) == [0, 2, 5, 7]
    Data.validation = np.zeros(3)
    assert task._chosen(Data) == [0, 1, 2]
    Data.validation = None
    assert task._chosen(Data) == []
