"""Scores are those of sacreBLEU, and what they stand for is written beside them."""

from __future__ import annotations

import pytest

from electralab.tasks.bleu import translation_scores

REFERENCE = "This plugin allows you to automatically translate web pages between several languages."
# The two examples of the Hugging Face course, chapter 7.4.
TUTORIAL = {
    "This plugin lets you translate web pages between several languages automatically.": (
        46.750469682990165
    ),
    "This This This This": 1.683602693167689,
}


@pytest.mark.parametrize("written", TUTORIAL)
def test_the_tutorials_examples(written):
    scores, signatures = translation_scores([f" {written}\n"], [REFERENCE])
    assert scores["bleu"] == pytest.approx(TUTORIAL[written], abs=1e-6)
    assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_scores_are_of_the_corpus_not_means_of_sentences():
    pairs = [(text, REFERENCE) for text in TUTORIAL]
    together = translation_scores(*zip(*pairs, strict=True))[0]["bleu"]
    mean = sum(TUTORIAL.values()) / 2
    assert together != pytest.approx(mean, abs=0.5)


def test_nothing_written_scores_nothing():
    scores, signatures = translation_scores([""], [REFERENCE])
    assert (scores["bleu"], scores["chrf"], scores["ter"]) == (0, 0, 100)
    assert set(signatures) == set(scores)
