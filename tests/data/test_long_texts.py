"""Texts of any length take the memory of a piece, or are refused where they cannot."""

from __future__ import annotations

import json

import pytest

from electralab.data import batches, origin, token_ids
from electralab.data import prepare as preparing
from electralab.data.batches import pieces
from electralab.data.parallel import ParallelEncoder
from electralab.data.prepare import TrainTokenizer
from electralab.errors import UserError


def test_pieces_are_the_text_in_bounds_and_begin_with_a_blank(monkeypatch):
    monkeypatch.setattr(batches, "PIECE", 10)
    text = "a few words and " + "onelongword" * 3 + " more"
    found = [*pieces(text)]
    assert "".join(found) == text and max(map(len, found)) <= 10
    assert found[:2] == ["a few", " words"]
    assert [*pieces("short")] == ["short"] and [*pieces("")] == [""]


@pytest.mark.parametrize("given", [None, TrainTokenizer(vocab_size=80, lowercase=True)])
def test_a_long_document_has_the_same_ids_in_pieces(
    given, tokenizer, sentences, data_config, tmp_path, monkeypatch
):
    texts = [*sentences(5), "", " ".join(sentences(300)), *sentences(5)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    config = data_config(source="text", path=str(tmp_path / "a.txt"), **{"split.validation": None})
    how = {
        "data": config,
        "columns": {"text": "text"},
        "encoder": None,
        "tokenizer": given or tokenizer,
    }
    whole = preparing.prepare(**how, cache_dir=tmp_path / "whole")
    for module in (batches, token_ids):
        monkeypatch.setattr(module, "PIECE", 50)
    cut = preparing.prepare(**how, cache_dir=tmp_path / "cut")
    assert cut.train.tokens.tolist() == whole.train.tokens.tolist()
    assert cut.report == whole.report


def test_a_text_that_is_encoded_as_a_whole_must_not_be_giant(
    data_config, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setattr(origin, "LONGEST", 20)
    rows = [{"source": "a short text", "target": "b " * n} for n in (1, 2, 11, 3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    values = {"source": "json", "path": str(tmp_path / "a.jsonl"), "split.validation": None}

    def prepared(**more):
        return preparing.prepare(
            data=data_config(values | more),
            columns={"source": "source", "target": "target"},
            encoder=ParallelEncoder(max_length=16, max_target_length=16),
            tokenizer=tokenizer,
            cache_dir=tmp_path / "cache",
        )

    with pytest.raises(UserError) as error:
        prepared()
    assert error.value.problems == [
        f"`data.path` ({tmp_path}/a.jsonl) must hold texts of at most 20 characters, but the "
        "target of example 3 has 22; drop such with data.clean.max_characters."
    ]
    assert len(prepared(**{"clean.max_characters": 20}).train) == 3
    assert len(prepared(**{"clean.max_characters": 30}).train) == 4  # asked for by name
