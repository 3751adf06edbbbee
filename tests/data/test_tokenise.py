"""Rows hold what the tokenizer's own call gives, and say what the cut took away."""

from __future__ import annotations

import pytest

from electralab.data.tokenise import tokenise
from tests.tasks.classifying import examples, tokenizer

TEXTS = [text for text, _ in examples(40)]
PAIRS = [text for text, _ in examples(40, seed=1)]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pairs", [None, PAIRS])
def test_a_row_is_what_the_tokenizer_gives(pairs, side):
    made = tokenizer()
    made.truncation_side = side
    found = tokenise(TEXTS, pairs, tokenizer=made, max_length=24)
    for row, text in enumerate(TEXTS):
        pair = None if pairs is None else pairs[row]
        wanted = made(text, pair, truncation=True, max_length=24)
        whole = made(text, pair)
        assert found["input_ids"][row].tolist() == wanted["input_ids"]
        assert found["token_type_ids"][row].tolist() == wanted["token_type_ids"]
        assert found["length"][row] == len(wanted["input_ids"])
        assert found["full_length"][row] == len(whole["input_ids"])
    assert {length > 24 for length in found["full_length"]} == {True, False}
    assert (1 in found["token_type_ids"][0].tolist()) is (pairs is not None)


def test_types_are_there_only_where_the_tokenizer_has_them():
    made = tokenizer()
    made.model_input_names = ["input_ids", "attention_mask"]
    found = tokenise(TEXTS, PAIRS, tokenizer=made, max_length=24)
    assert set(found) == {"input_ids", "length", "full_length"}
