"""What is dropped and why, counted exactly, and what is held out."""

from __future__ import annotations

import random

import numpy as np
import pytest
from datasets import Dataset

from electralab.config import Clean
from electralab.data import clean as module
from electralab.data.clean import clean, hold_out
from electralab.errors import UserError

RULES = {
    "drop_empty": True,
    "drop_duplicates": False,
    "drop_stray_labels": False,
    "min_characters": None,
    "max_characters": None,
}


def run(table, limit=None, stray=None, held_out=None, unlabelled=False, **rules):
    rules = Clean(**(RULES | rules))
    how = {"limit": limit, "stray": stray, "held_out": held_out, "unlabelled": unlabelled}
    return clean(Dataset.from_dict(table), rules=rules, **how)


def found(*args, **kwargs):
    kept = run(*args, **kwargs)
    return kept.rows.tolist(), kept.dropped


def test_null_texts_go_always_and_empty_ones_unless_they_may_stay():
    table = {"text": ["a", None, "", " \t\n", "\u3000", "b"]}
    assert found(table) == ([0, 5], {"null": 1, "empty": 3})
    kept = run(table, drop_empty=False)
    assert (kept.rows.tolist(), kept.dropped) == ([0, 2, 3, 4, 5], {"null": 1})
    assert kept.blank.tolist() == [False, True, True, True, False]


def test_lengths_are_in_characters_and_their_bounds_are_inside():
    table = {"text": ["영화", "영화다", "영화다.", "영화였다."]}
    assert found(table, min_characters=3) == ([1, 2, 3], {"too_short": 1})
    assert found(table, max_characters=3) == ([0, 1], {"too_long": 2})
    assert found(table, min_characters=3, max_characters=4) == (
        [1, 2],
        {"too_short": 1, "too_long": 1},
    )
    assert run(table).characters["text"].tolist() == [2, 3, 4, 5]


def test_of_equal_texts_the_first_stays():
    table = {"text": ["a", "b", "a", "A", "a ", "b"]}
    assert found(table, drop_duplicates=True) == ([0, 1, 3, 4], {"duplicate": 2})
    assert found(table) == ([0, 1, 2, 3, 4, 5], {})


def test_a_pair_is_a_duplicate_where_both_texts_are():
    table = {"text": ["a", "a", "b", "ab", "a"], "text_pair": ["b", "c", "b", "", "b"]}
    assert found(table, drop_duplicates=True) == ([0, 1, 2], {"empty": 1, "duplicate": 1})
    glued = {"text": ["ab", "a"], "text_pair": ["c", "bc"]}
    assert found(glued, drop_duplicates=True)[0] == [0, 1]


def test_a_pair_with_a_bad_side_goes_whole():
    table = {"source": ["a", None, "b", "cc"], "target": ["x", "y", " ", "zzzz"]}
    assert found(table) == ([0, 3], {"null": 1, "empty": 1})
    assert found(table, max_characters=3) == ([0], {"null": 1, "empty": 1, "too_long": 1})


def test_labels_that_are_null_go_unless_they_mean_something_and_stray_ones_if_asked():
    table = {"text": ["a", "b", "c", "d"], "label": ['"yes"', None, '"maybe"', '"no"']}
    stray = {'"maybe"'}.__contains__
    assert found(table, stray=stray) == ([0, 2, 3], {"without_label": 1})
    expected = ([0, 3], {"without_label": 1, "stray_label": 1})
    assert found(table, stray=stray, drop_stray_labels=True) == expected
    assert found(table, stray=stray, unlabelled=True) == ([0, 1, 2, 3], {})


def test_each_goes_for_one_reason_the_first_that_is_true():
    table = {
        "text": ["", "", "aa", "aa", "b", "aa", None, None, "cccc", "cccc"],
        "label": ["1", "1", "9", "1", None, "1", None, "9", "9", None],
    }
    rules = {"drop_duplicates": True, "drop_stray_labels": True}
    rows, dropped = found(table, stray="9".__eq__, min_characters=2, max_characters=3, **rules)
    # An empty duplicate is empty, and what goes for its label makes no later text a duplicate.
    assert rows == [3]
    assert dropped == {
        "empty": 2,
        "null": 2,
        "too_short": 1,
        "too_long": 2,
        "stray_label": 1,
        "duplicate": 1,
    }
    assert sum(dropped.values()) + len(rows) == len(table["text"])


def test_what_is_held_out_goes_from_train_if_duplicates_do():
    held_out = run({"text": ["b", "d"]}).keys
    table = {"text": ["a", "b", "b", "c", "a"]}
    expected = ([0, 3], {"held_out": 2, "duplicate": 1})
    assert found(table, held_out=held_out, drop_duplicates=True) == expected
    assert found(table, held_out=held_out) == ([0, 1, 2, 3, 4], {})


def slow(texts, *, limit, drop_duplicates):
    """The rules row by row, as one would write them down."""
    rows, dropped, seen = [], {}, set()
    for row, text in enumerate(texts):
        why = None
        if text is None:
            why = "null"
        elif not text.strip():
            why = "empty"
        elif len(text) > 3:
            why = "too_long"
        elif drop_duplicates and text in seen:
            why = "duplicate"
        if why:
            dropped[why] = dropped.get(why, 0) + 1
            continue
        seen.add(text)
        rows.append(row)
        if len(rows) == limit:
            if row + 1 < len(texts):
                dropped["over_limit"] = len(texts) - row - 1
            break
    return rows, dropped


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("drop_duplicates", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 5, 24, 1000])
def test_it_equals_the_rules_row_by_row(monkeypatch, seed, drop_duplicates, limit):
    monkeypatch.setattr(module, "ROWS", 7)
    rng = random.Random(seed)
    texts = [rng.choice([None, "", " ", *"abcdefg", "ab", "abc", "abcd"]) for _ in range(200)]
    texts += [rng.choice(["xyz", f"{number}"]) for number in range(100)]
    expected = slow(texts, limit=limit, drop_duplicates=drop_duplicates)
    rules = {"drop_duplicates": drop_duplicates, "max_characters": 3}
    assert found({"text": texts}, limit=limit, **rules) == expected


def test_behind_the_limit_nothing_is_read(monkeypatch):
    """The first thousand of ten million are there at once."""
    monkeypatch.setattr(module, "ROWS", 10)
    read = []
    page = module._page
    monkeypatch.setattr(
        module, "_page", lambda batch, *rest: read.append(batch) or page(batch, *rest)
    )
    kept = run({"text": [str(number) for number in range(1000)]}, limit=25)
    assert len(read) == 3 and kept.dropped == {"over_limit": 975}


def test_a_table_of_nothing_gives_nothing():
    table = Dataset.from_dict({"text": ["a"]}).select([])
    kept = clean(table, rules=Clean(**RULES), limit=None)
    assert len(kept.rows) == len(kept.keys) == 0 and kept.dropped == {}


def test_a_part_keeps_what_belongs_together():
    kept = run({"text": ["a", "", "bb", "ccc"]})
    part = kept.part(np.array([0, 2]))
    assert part.rows.tolist() == [0, 3]
    assert part.characters["text"].tolist() == [1, 3]
    assert part.keys.tolist() == run({"text": ["a", "ccc"]}).keys.tolist()


def test_held_out_rows_are_a_function_of_their_seed():
    one, same, other = (
        hold_out(100, shares={"validation": 0.1, "test": 0.2}, seed=seed) for seed in (3, 3, 4)
    )
    assert {split: len(rows) for split, rows in one.items()} == {
        "train": 70,
        "validation": 10,
        "test": 20,
    }
    assert sorted(np.concatenate(list(one.values())).tolist()) == list(range(100))
    assert all((one[split] == same[split]).all() for split in one)
    assert (one["test"] != other["test"]).any()


def test_a_share_takes_one_example_at_least_and_leaves_one():
    rows = hold_out(2, shares={"validation": 0.01}, seed=0)
    assert [len(rows["train"]), len(rows["validation"])] == [1, 1]
    with pytest.raises(UserError, match="of 2 they take 2"):
        hold_out(2, shares={"validation": 0.01, "test": 0.01}, seed=0)
