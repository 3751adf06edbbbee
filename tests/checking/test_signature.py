"""The signature: the same for the same experiment, another for another."""

from __future__ import annotations

import os

import pytest

from electralab.checking.signature import signature
from electralab.command.compose import Composer, search_path
from electralab.config import validate


def sign(*overrides: str) -> str:
    return signature(
        validate(Composer(path=search_path()).compose(list(overrides)).points[0].container)
    )


def test_it_is_eight_digits_and_stable():
    assert sign() == sign() and len(sign()) == 8
    int(sign(), 16)


@pytest.mark.parametrize(
    "override",
    ["output_dir=elsewhere", "tracking=off", "data.num_proc=2", "task.preview_steps=3",
     "trainer.disable_tqdm=true", "task.disc_weight=50.0"],
)  # fmt: skip
def test_what_changes_no_result_changes_no_signature(override):
    assert sign(override) == sign()


@pytest.mark.parametrize(
    "override",
    ["seed=1", "task.mask_prob=0.2", "model=electra_small", "trainer.max_steps=3", "name=x",
     "data.max_length=64", "data.packing=separate", "trainer.optim=sgd",
     "task.phases=[{length:128,share:1}]"],
)  # fmt: skip
def test_what_changes_results_changes_the_signature(override):
    assert sign(override) != sign()


def test_a_key_that_came_later_changes_no_signature_of_before():
    [point] = Composer(path=search_path()).compose([]).points
    before = dict(point.container)
    before["task"] = {name: v for name, v in before["task"].items() if name != "phases"}
    assert signature(validate(before)) == sign()


def test_it_covers_sizes_and_times_of_the_files(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one\n")
    words = ["data=text", f"data.path={file}"]
    before = sign(*words)
    assert sign(*words) == before
    os.utime(file, ns=(1, 1))
    touched = sign(*words)
    assert touched != before
    file.write_text("one two\n")
    os.utime(file, ns=(1, 1))
    assert sign(*words) not in (before, touched)


def test_it_covers_the_files_of_a_local_model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    words = ["model=auto", f"model.name_or_path={folder}"]
    before = sign(*words)
    (folder / "config.json").write_text("{ }")
    assert sign(*words) != before


@pytest.mark.parametrize("word", ["train", "auto"])
def test_a_folder_that_is_called_like_an_order_is_not_looked_into(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    words = [f"model.tokenizer={word}"]
    before = sign(*words)
    (tmp_path / word).mkdir()
    (tmp_path / word / "tokenizer.json").write_text("{}")
    assert sign(*words) == before


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["model=auto", "model.name_or_path='~/model'"]
    before = sign(*words)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert sign(*words) != before
