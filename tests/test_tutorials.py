"""The recipes of the five tutorials: their own numbers and names, run on stand-ins for the hub."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from electralab.cli import main
from tests import stand_ins
from tests.conftest import WORDS
from tests.test_recipes import keeps, read, settings

SMALL = ["trainer.max_steps=2", "trainer.save_steps=2", "data.num_proc=1", "tracking=off"]

# What the notebooks set, besides the hub's names.
WANTED = {
    "tutorial_rtd": {
        "model.name_or_path": "monologg/koelectra-base-v3-discriminator",
        "model.generator.name_or_path": "monologg/koelectra-base-v3-generator",
        "data.columns.text": "sen",
        "data.max_length": 128,
        "task.mask_prob": 0.15,
        "task.replace_prob": 0.85,
        "task.disc_weight": 50,
        "task.gen_weight": 1,
        "task.temperature": 1,
        "trainer.per_device_train_batch_size": 8,
        "trainer.num_train_epochs": 2,
        "trainer.logging_steps": 2,
        "trainer.eval_steps": 100,
    },
    "tutorial_mlm": {
        "model.name_or_path": "distilbert/distilroberta-base",
        "data.name": "dany0407/eli5_category",
        "data.columns.text": "answers.text",
        "data.max_length": 128,
        "data.limit": 5000,
        "data.split.validation": 0.2,
        "task.mask_prob": 0.15,
        "trainer.learning_rate": 2e-5,
        "trainer.num_train_epochs": 3,
        "trainer.weight_decay": 0.01,
        "trainer.eval_strategy": "epoch",
    },
    "tutorial_pairs": {
        "model.name_or_path": "google-bert/bert-base-uncased",
        "data.name": "nyu-mll/glue",
        "data.subset": "mrpc",
        "data.columns.text": "sentence1",
        "data.columns.text_pair": "sentence2",
        "trainer.num_train_epochs": 3,
        "trainer.eval_strategy": "epoch",
    },
    "tutorial_sentences": {
        "model.name_or_path": "google-bert/bert-base-multilingual-cased",
        "data.columns.text": "document",
        "data.columns.label": "label",
        "data.clean.drop_duplicates": True,
        "data.clean.drop_stray_labels": True,
        "trainer.num_train_epochs": 1,
        "trainer.per_device_train_batch_size": 32,
        "trainer.per_device_eval_batch_size": 64,
        "trainer.warmup_steps": 500,
        "trainer.weight_decay": 0.01,
        "trainer.logging_steps": 500,
        "trainer.save_steps": 500,
        "trainer.save_total_limit": 2,
    },
    "tutorial_translation": {
        "model.name_or_path": "Helsinki-NLP/opus-mt-en-fr",
        "data.source": "moses",
        "data.max_length": 128,
        "data.split.validation": 0.1,
        "data.split.seed": 20,
        "task.eval_num_beams": 4,
        "trainer.learning_rate": 2e-5,
        "trainer.per_device_train_batch_size": 32,
        "trainer.per_device_eval_batch_size": 64,
        "trainer.weight_decay": 0.01,
        "trainer.num_train_epochs": 3,
        "trainer.save_total_limit": 3,
    },
}


def sentences(count: int, *, seed: int = 0, words: str = WORDS) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words.split(), k=rng.randint(4, 20))) for _ in range(count)]


def rtd(here: Path) -> list[str]:
    for name, count in (("book_train_128.csv", 60), ("book_validation_128.csv", 20)):
        rows = (f"{i},{text}" for i, text in enumerate(sentences(count)))
        (here / name).write_text(",sen\n" + "\n".join(rows) + "\n")
    discriminator, generator = stand_ins.electra_pair(here / "koelectra")
    names = [f"model.name_or_path={discriminator}", f"model.generator.name_or_path={generator}"]
    return [*names, "trainer.eval_steps=2"]


def mlm(here: Path) -> list[str]:
    rows = [{"q_id": str(i), "answers": {"text": sentences(3, seed=i)}} for i in range(60)]
    folder = stand_ins.hub_folder(here / "eli5", {"train": rows})
    model = stand_ins.roberta(here / "roberta", sentences(50))
    return [f"data.name={folder}", f"model.name_or_path={model}", "data.max_length=32"]


def pairs(here: Path) -> list[str]:
    def rows(count: int) -> list[dict]:
        one, other = sentences(count), sentences(count, seed=1)
        columns = zip(one, other, range(count), strict=True)
        return [{"sentence1": a, "sentence2": b, "label": i % 2, "idx": i} for a, b, i in columns]

    names = ["not_equivalent", "equivalent"]
    splits = {"train": rows(40), "validation": rows(12), "test": rows(12)}
    folder = stand_ins.hub_folder(here / "glue", splits, subset="mrpc", names=names)
    return [f"data.name={folder}", f"model.name_or_path={stand_ins.bert(here / 'bert')}"]


def nsmc(here: Path) -> list[str]:
    for name, count in (("ratings_train.txt", 60), ("ratings_test.txt", 20)):
        rows = [f"{i}\t{text}\t{i % 2}" for i, text in enumerate(sentences(count))]
        rows += ["98\t\t1", '99\tsome "text\t7']  # an empty one, a stray label and a stray quote
        (here / name).write_text("id\tdocument\tlabel\n" + "\n".join(rows) + "\n")
    return [f"model.name_or_path={stand_ins.bert(here / 'bert')}"]


def translation(here: Path) -> list[str]:
    english = sentences(60)
    french = [" ".join(reversed(text.split())) for text in english]
    for language, texts in (("en", english), ("fr", french)):
        (here / f"KDE4.en-fr.{language}").write_text("\n".join(texts) + "\n")
    model = stand_ins.marian(here / "marian", english, french)
    return [f"model.name_or_path={model}", "data.max_length=32", "data.max_target_length=32"]


STAND_INS = {
    "tutorial_rtd": rtd,
    "tutorial_mlm": mlm,
    "tutorial_pairs": pairs,
    "tutorial_sentences": nsmc,
    "tutorial_translation": translation,
}


@pytest.mark.parametrize("recipe", WANTED)
def test_it_composes_with_the_numbers_of_the_notebook(recipe, here, capsys):
    assert main([f"experiment={recipe}", "--cfg", "job"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    found = {}
    for key in WANTED[recipe]:
        node = config
        for name in key.split("."):
            node = node[name]
        found[key] = node
    assert found == WANTED[recipe]


@pytest.mark.parametrize("recipe", WANTED)
def test_it_runs_a_few_steps_on_data_of_the_same_shape(recipe, here, capsys):
    words = [f"experiment={recipe}", *SMALL, *STAND_INS[recipe](here)]
    assert main(["check", *words]) == 0
    assert main(words) == 0
    [run] = (here / "outputs" / recipe).iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "FINISHED" and summary["metrics"]["eval_loss"] > 0
    said = capsys.readouterr().err
    keeps(run, dict(settings(read(recipe))), words)
    [typed] = [line for line in said.splitlines() if "electralab predict" in line][:1]
    assert str(run.relative_to(here)) in typed
