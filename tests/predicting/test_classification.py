"""Predictions of a classifier are those of the 🤗 pipeline on its folder."""

from __future__ import annotations

import math

import pytest
from transformers import pipeline

from electralab.errors import UserError
from electralab.predicting.classification import ClassificationPredictor
from tests.tasks.classifying import NAMES, classifier, examples

LONG = " ".join(text for text, _ in examples(9))
TEXTS = ["the path of a file", "x", *(text for text, _ in examples(5)), LONG]
PAIRS = [("the path", "of a file"), ("keys", LONG), (LONG, "values"), ("a", "b")]


def predictor(folder, *, problem="single_label", pairs=False) -> ClassificationPredictor:
    columns = {"text": "a", "text_pair": "b" if pairs else None}
    config = {"task": {"problem": problem}, "data": {"columns": columns, "max_length": 24}}
    return ClassificationPredictor(folder, config=config)


def pipe(folder, inputs, **how):
    made = pipeline("text-classification", model=str(folder), device="cpu")
    return made(inputs, truncation=True, max_length=24, **how)


@pytest.mark.parametrize("together", [True, False])
def test_one_text(tmp_path, together):
    folder = classifier(tmp_path / "m", NAMES, problem_type="single_label_classification")
    made = predictor(folder)
    batches = [TEXTS] if together else [[text] for text in TEXTS]
    found = [result for batch in batches for result in made.batch(batch, top_k=2)]
    for text, result, wanted in zip(TEXTS, found, pipe(folder, TEXTS, top_k=None), strict=True):
        assert result["text"] == text
        assert (result["label"], len(result["scores"])) == (wanted[0]["label"], 2)
        assert result["score"] == pytest.approx(wanted[0]["score"], abs=1e-6)
        for mine, other in zip(result["scores"], wanted[:2], strict=True):
            assert mine["label"] == other["label"]
            assert mine["score"] == pytest.approx(other["score"], abs=1e-6)
    assert len({round(result["score"], 4) for result in found}) > 3  # they do differ
    assert [result.get("truncated", False) for result in found][-1:] == [True]
    assert "truncated" not in found[0]


def test_a_pair(tmp_path):
    folder = classifier(tmp_path / "m", NAMES)
    found = predictor(folder, pairs=True).batch(["\t".join(pair) for pair in PAIRS], top_k=1)
    inputs = [{"text": one, "text_pair": other} for one, other in PAIRS]
    for result, given, wanted in zip(found, inputs, pipe(folder, inputs), strict=True):
        assert {name: result[name] for name in given} == given
        assert result["label"] == wanted["label"]
        assert result["score"] == pytest.approx(wanted["score"], abs=1e-6)


def test_what_is_no_pair(tmp_path):
    made = predictor(classifier(tmp_path / "m", NAMES), pairs=True)
    assert made.problem("a\tb") is None
    assert predictor(tmp_path / "m").problem("one") is None
    for text in ("one", "one\t ", "a\tb\tc"):
        assert made.problem(text).startswith("must be two texts")
        with pytest.raises(UserError, match="two texts with a tab between"):
            made.batch(["a\tb", text], top_k=1)


def test_a_score(tmp_path):
    folder = classifier(tmp_path / "m", ["score"], problem_type="regression")
    made = predictor(folder, problem="regression")
    found = made.batch(TEXTS, top_k=5)
    for result, wanted in zip(found, pipe(folder, TEXTS), strict=True):
        assert set(result) - {"truncated"} == {"text", "score"}
        assert result["score"] == pytest.approx(wanted["score"], abs=1e-6)
    assert made.lines(found[0])[1].split()[0] == "score"


def test_several_labels(tmp_path):
    folder = classifier(tmp_path / "m", NAMES, problem_type="multi_label_classification")
    found = predictor(folder, problem="multi_label").batch(TEXTS, top_k=3)
    for result, wanted in zip(found, pipe(folder, TEXTS, top_k=None), strict=True):
        likely = [each["label"] for each in wanted if each["score"] >= 0.5]
        assert result["labels"] == likely
        scores = [(each["label"], round(each["score"], 5)) for each in result["scores"]]
        assert scores == [(each["label"], round(each["score"], 5)) for each in wanted]
    assert len({tuple(result["labels"]) for result in found}) > 1


def test_lines_for_a_person(tmp_path):
    made = predictor(classifier(tmp_path / "m", NAMES))
    [result] = made.batch(["the path of a file"], top_k=3)
    text, scores = made.lines(result)
    assert text == "the path of a file"
    assert scores.split()[0] == result["label"]
    assert math.isclose(sum(each["score"] for each in result["scores"]), 1, abs_tol=1e-6)
