"""The typed configuration: every wrong key is named, in one line, and all of them at once."""

# ruff: noqa: E501 (expected messages stand whole)

from __future__ import annotations

import copy
from typing import Any

import pytest

from electralab.cli import main, parse_flags
from electralab.command.compose import Composer, search_path
from electralab.command.points import typed
from electralab.config import Config, inspect, validate
from electralab.errors import UserError


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    [point] = Composer(path=search_path()).compose([]).points
    return point.container


def changed(container: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Sets values by their keys, with `__` for dots."""
    container = copy.deepcopy(container)
    for key, value in values.items():
        node, (*parents, last) = container, key.split("__")
        for name in parents:
            node = node[name]
        node[last] = value
    return container


def lines(container: dict[str, Any]) -> list[str]:
    with pytest.raises(UserError) as caught:
        validate(container)
    assert all("\n" not in line for line in caught.value.problems)
    return caught.value.problems


def test_the_shipped_configuration_is_valid(shipped):
    config = validate(shipped)
    assert isinstance(config, Config)
    assert (config.name, config.task.mask_prob) == ("rtd", 0.15)
    assert config.model_dump() == shipped  # nothing coerced, nothing lost


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"task__mask_prob": 1.2}, "`task.mask_prob` must be above 0 and below 1, but is 1.2 instead."),
        ({"task__mask_prob": 0}, "`task.mask_prob` must be above 0 and below 1, but is 0 instead."),
        (
            {"task__mask_prob": "a"},
            "`task.mask_prob` must be a number above 0 and below 1, but is 'a' instead.",
        ),
        ({"task__replace_prob": 0}, "`task.replace_prob` must be above 0 and at most 1, but is 0 instead."),
        ({"task__temperature": -1}, "`task.temperature` must be above 0, but is -1 instead."),
        ({"task__preview_examples": 30}, "`task.preview_examples` must be from 1 to 20, but is 30 instead."),
        ({"seed": -1}, "`seed` must be from 0 to 4294967295, but is -1 instead."),
        ({"seed": 1.5}, "`seed` must be a whole number from 0 to 4294967295, but is 1.5 instead."),
        ({"deterministic": "yes"}, "`deterministic` must be true or false, but is 'yes' instead."),
        ({"data__max_length": 3}, "`data.max_length` must be at least 8, but is 3 instead."),
        (
            {"data__packing": "tight"},
            "`data.packing` must be one of `concat`, `separate`, `none`, but is 'tight' instead.",
        ),
        (
            {"data__limit": True},
            "`data.limit` must be a whole number of at least 1 or null, but is true instead.",
        ),
        (
            {"data__split__validation": 0.7},
            "`data.split.validation` must be from 0 to 0.5, but is 0.7 instead.",
        ),
        ({"data__path": []}, "`data.path` must not be empty."),
        ({"data__path": ["a", 3]}, "`data.path.1` must be a text, but is 3 instead."),
        ({"data__columns": None}, "`data.columns` must be a mapping of keys, but is null instead."),
        ({"trainer": 3}, "`trainer` must be a mapping of keys, but is 3 instead."),
        ({"resume": ""}, "`resume` must not be empty."),
        (
            {"name": "a/b"},
            "`name` must be up to 100 letters, digits, `.`, `_` and `-`, a letter or digit first, but is 'a/b' "
            "instead.",
        ),
        ({"task__mask_prb": 0.2}, "`task.mask_prb` is no key; did you mean `task.mask_prob`?"),
        ({"model__dropout": float("nan")}, "`model.dropout` must be a finite number, but is nan instead."),
        (
            {"trainer__learning_rate": float("inf")},
            "`trainer.learning_rate` must be a finite number, but is inf instead.",
        ),
        (
            {"data__num_proc": "None"},
            "`data.num_proc` must not be the text None; write data.num_proc=null for no value.",
        ),
        (
            {"trainer__warmup_steps": "None"},
            "`trainer.warmup_steps` must not be the text None; write trainer.warmup_steps=null for no "
            "value.",
        ),
        (
            {"task__phases": [{"length": 4, "share": 1}]},
            "`task.phases.0.length` must be at least 8, but is 4 instead.",
        ),
        (
            {"task__phases": [{"length": 64, "share": 0.5}, {"length": 64, "share": "all"}]},
            "`task.phases.1.share` must be a number above 0 and at most 1, but is 'all' instead.",
        ),
        (
            {"task__phases": [{"length": 64, "share": 1, "lenght": 2}]},
            "`task.phases.0.lenght` is no key; did you mean `task.phases.0.length`?",
        ),
        (
            {"task__phases": [{"length": 64}]},
            "`task.phases.0.share` must be set, but its key is missing.",
        ),
        (
            {"task__phases": [64]},
            "`task.phases.0` must be a mapping of keys, but is 64 instead.",
        ),
        (
            {"task__phases": {"64": 1}},
            "`task.phases` must be a list of mappings with the keys length and share or null, but is "
            '{"64": 1} instead.',
        ),
        ({"data__path": "???"}, "`data.path` must be set, for example with data.path=…"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(shipped, values, line):
    assert lines(changed(shipped, **values)) == [line]


def test_all_mistakes_come_at_once(shipped):
    wrong = changed(
        shipped, seed=-1, foo=1, task__mask_prob=2, data__source="cvs", model__lowercase=3
    )
    assert {line.split("`")[1] for line in lines(wrong)} == {
        "seed", "foo", "task.mask_prob", "data.source", "model.lowercase",
    }  # fmt: skip


def test_a_missing_key_is_named(shipped):
    wrong = copy.deepcopy(shipped)
    del wrong["task"]["mask_prob"], wrong["data"]
    assert lines(wrong) == [
        "`task.mask_prob` must be set, but its key is missing.",
        "`data` must be set, but its key is missing.",
    ]


def test_a_section_that_is_no_mapping_does_not_hide_the_others(shipped):
    assert {line.split("`")[1] for line in lines(changed(shipped, data=3, seed=-1))} == {
        "data", "seed",
    }  # fmt: skip


def test_whole_numbers_serve_as_numbers(shipped):
    assert validate(changed(shipped, task__disc_weight=10)).task.disc_weight == 10


def test_inspect_puts_legal_values_where_wrong_ones_were(shipped):
    config, problems = inspect(changed(shipped, task__mask_prob=2, data__source="???"))
    assert set(problems) == {("task", "mask_prob"), ("data", "source")}
    assert 0 < config.task.mask_prob < 1
    assert config.seed == shipped["seed"]


def test_two_languages_as_columns_are_the_source_and_the_target(here, capsys):
    rows = '{"translation": {"en": "a dog", "fr": "un chien"}}\n'
    (here / "pairs.jsonl").write_text(rows * 9)
    words = ["task=translation", "data=json", "data.path=pairs.jsonl"]
    there = ["data.columns.en=translation.en", "data.columns.fr=translation.fr"]
    signs = []
    for columns in (there, there[::-1], ["data.columns.source=en", "data.columns.target=fr"]):
        assert main(["check", *words, *columns]) == 0
        signs.append(capsys.readouterr().out.split()[1])
    assert signs[0] != signs[1]
    [config] = [point.config for point in typed(parse_flags([*words, *there])).points]
    assert (config.data.columns.source, config.data.columns.target) == (
        "translation.en",
        "translation.fr",
    )


def test_one_language_as_a_column_is_no_key(here, capsys):
    (here / "pairs.jsonl").write_text('{"source": "a", "target": "b"}\n')
    words = ["task=translation", "data=json", "data.path=pairs.jsonl", "data.columns.en=source"]
    assert main(["check", *words]) == 2
    assert "`data.columns.en` is no key" in capsys.readouterr().err
