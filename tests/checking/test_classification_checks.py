"""Keys of `task=classification` that contradict one another are found before anything is loaded."""

from __future__ import annotations

import pytest

from electralab.checking.classification_checks import classification_problems
from tests.tasks.classifying import config


def said(refused=(), **keys) -> list[str]:
    return [*classification_problems(config(**keys), refused)]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"labels": ["a", "b"], "average": "binary", "class_weights": [1.0, 2.0]},
        {"labels": ["a", "b", "c"], "average": "macro", "class_weights": "balanced"},
        {"problem": "regression", "layer_decay": 0.8},
        {"problem": "multi_label", "labels": ["a", "b,c"], "label_separator": "|"},
        {"freeze_encoder": True},
    ],
)
def test_what_fits_is_let_through(keys):
    assert said(**keys) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"labels": ["1", 1]}, ("`task.labels`", "once", "'1'")),
        ({"labels": [True, "true"]}, ("`task.labels`", "'true'")),
        ({"labels": ["a", ""]}, ("`task.labels`", "empty")),
        ({"labels": ["a", "b"], "problem": "regression"}, ("`task.labels`", "null")),
        ({"labels": ["a", "b,c"], "problem": "multi_label"}, ("separator", "'b,c'")),
        ({"labels": ["a", "b", "c"], "average": "binary"}, ("`task.average`", "has 3")),
        ({"average": "macro", "problem": "regression"}, ("`task.average`", "null")),
        ({"average": "macro", "problem": "multi_label"}, ("`task.average`", "null")),
        ({"class_weights": "balanced", "problem": "regression"}, ("`task.class_weights`",)),
        ({"class_weights": [1.0, 0.0]}, ("`task.class_weights`", "above 0")),
        ({"class_weights": [1.0, 2.0], "labels": ["a", "b", "c"]}, ("3 classes", "has 2")),
        ({"layer_decay": 0.9, "freeze_encoder": True}, ("`task.layer_decay`", "is 0.9")),
    ],
)
def test_what_contradicts_is_one_line(keys, words):
    [line] = said(**keys)
    assert [word for word in words if word not in line] == [], line


def test_a_key_that_was_refused_is_not_judged():
    assert said(labels=["a", "a"], refused=["task.labels"]) == []
