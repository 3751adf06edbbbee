"""All problems of a command at once, and none about a value that nobody has set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from electralab.checking.rules import ask
from electralab.cli import parse_flags
from electralab.command.points import checked, point_name, typed, words_of
from electralab.errors import UserError


@pytest.fixture(autouse=True)
def empty_folder(here: Path) -> Path:
    return here


def keys(*overrides: str) -> list[str]:
    """Checks a command; returns the key that each of its problems begins with."""
    with pytest.raises(UserError) as caught:
        checked(parse_flags(list(overrides)))
    return sorted(line.split("`")[1] for line in caught.value.problems)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        # What cannot be judged without a refused key is not asked, all else is.
        (
            ["task.mask_prob=1.2", "data=text", "data.path=nowhere", "trainer.max_step=5"],
            ["data.path", "task.mask_prob", "trainer.max_step"],
        ),
        (["data=text", "data.path=5"], ["data.path"]),
        (["data=text", "data.path=nowhere", "data.max_length=a"], ["data.max_length", "data.path"]),
        (
            ["data=text", "data.path=nowhere", "data.split.validation=2"],
            ["data.path", "data.split.validation"],
        ),
        # From scratch every size is asked for, but a refused one only once.
        (["model.hidden_size=a", "model.embedding_size=null"],
         ["model.embedding_size", "model.hidden_size"]),
        (["model.vocab_size=3"], ["model.vocab_size"]),
        (["model.tokenizer=5", "data.max_length=600"], ["data.max_length", "model.tokenizer"]),
        (["model.name_or_path=5"], ["model.name_or_path"]),
        (["task.disc_weight=-1", "task.gen_weight=0"], ["task.disc_weight"]),
        (["data.split.validation=2", "trainer.load_best_model_at_end=true"],
         ["data.split.validation"]),
        (["trainer.eval_strategy=${nowhere}", "trainer.load_best_model_at_end=true"],
         ["trainer.eval_strategy"]),
        (["name=${nowhere}"], ["name"]),
        (["output_dir=5", "tracking.uri=5"], ["output_dir", "tracking.uri"]),
    ],
)  # fmt: skip
def test_each_mistake_is_named_once_and_nothing_else(overrides, named):
    assert keys(*overrides) == named


def test_a_node_stands_for_its_keys():
    rules = [(("model.name",), ["of the name"]), (("models",), ["of another"]), ((), ["of none"])]
    assert list(ask(rules, refused=["model"])) == ["of another", "of none"]
    assert list(ask(rules, refused=["model.name.x"])) == ["of the name", "of another", "of none"]


def test_who_only_looks_is_asked_for_types_alone():
    looking = parse_flags(["output_dir=/proc/nowhere", "data=text", "data.path=nowhere"])
    [point] = typed(looking).points
    assert point.config.output_dir == "/proc/nowhere"
    with pytest.raises(UserError):
        typed(parse_flags(["output_dir=5"]))


def test_a_run_is_found_where_nothing_can_be_written(tmp_path, monkeypatch):
    from electralab.checking import checks
    from electralab.verbs.common import find

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)  # also where root runs the tests
    run = tmp_path / "outputs" / "rtd" / "2026-01-01_00-00-00-0123abcd"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"run_id": "0123456789abcdef0123456789abcdef"}')
    settings = [f"output_dir={tmp_path / 'outputs'}", "tracking=off"]
    assert find("0123", settings).folder == run
    with pytest.raises(UserError, match=r"tracking\.uri"):
        find("0123", [*settings, "tracking=server", "tracking.uri=ftp://x"])
    assert os.listdir(".") == []


def test_an_override_that_some_points_cannot_have_names_them():
    with pytest.raises(UserError) as caught:
        checked(parse_flags(["-m", "task=rtd,mlm", "task.disc_weight=10"]))
    assert caught.value.problems == ["`task.disc_weight` is no key. (at task=mlm, of 2 points)"]


def test_a_sweep_goes_on_by_itself(tmp_path):
    with pytest.raises(UserError, match="`resume`"):
        checked(parse_flags(["-m", "seed=0,1", "resume=nowhere"]))


def test_a_point_is_named_as_one_would_type_it():
    values = {"data.path": ["a", "b"], "data.limit": None, "trainer.bf16": True, "seed": 0}
    assert point_name(values) == 'data.path=["a", "b"] data.limit=null trainer.bf16=true seed=0'


def test_the_words_of_a_sweep_say_where_its_configuration_lies():
    flags = parse_flags(["seed=0,1", "-m", "--config-dir", "mine"])
    assert words_of(flags) == ["-m", "--config-dir", "mine", "seed=0,1"]
