"""The report on a split: its lengths, its classes, what stands twice and what is cut off."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from datasets import Dataset

from electralab.config import Clean
from electralab.data.clean import clean
from electralab.data.looking import BINS, Look, describe

RULES = {
    "drop_empty": False,
    "drop_duplicates": False,
    "drop_stray_labels": False,
    "min_characters": None,
    "max_characters": None,
}


def kept(**table):
    return clean(Dataset.from_dict(table), rules=Clean(**RULES), limit=None)


class Encoder:
    """Rows of three labels, where a label is the JSON of a name."""

    @staticmethod
    def classes(label, facts):
        value = json.loads(label)
        return value if isinstance(value, float | list) else [value]


@pytest.mark.parametrize("seed", range(20))
def test_a_histogram_holds_every_length_once(seed):
    rng = np.random.default_rng(seed)
    low, spread = rng.integers(0, 20), rng.integers(1, 400)
    values = low + (rng.random(500) * spread).astype(np.int32)
    values[: int(rng.integers(0, 4))] = 100_000  # a few long ones
    found = describe(values)
    edges, counts = (np.array(found["histogram"][part]) for part in ("edges", "counts"))
    assert (len(edges), len(counts)) == (BINS + 1, BINS)
    slow = [((values >= low) & (values < high)).sum() for low, high in itertools.pairwise(edges)]
    assert counts.tolist() == slow and counts.sum() == len(values)
    assert len(set(np.diff(edges)[:-1].tolist())) == 1  # only the last bin is wider
    # A few long texts do not squeeze the others together.
    assert edges[-2] - low <= np.quantile(values, 0.99) - low + 2 * BINS
    assert found["min"] == values.min() and found["max"] == values.max()
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-4)
    assert found["median"] == np.median(values)
    json.dumps(found)


def test_the_bins_of_other_values_can_be_taken():
    rng = np.random.default_rng(0)
    train = describe(rng.integers(10, 110, 1000, dtype=np.int32))
    values = rng.integers(0, 300, 200, dtype=np.int32)
    found = describe(values, train)["histogram"]
    assert found["edges"][1:-1] == train["histogram"]["edges"][1:-1]
    assert found["edges"][0] == values.min() and found["edges"][-1] == values.max() + 1
    assert sum(found["counts"]) == 200
    assert found["counts"][0] == (values < found["edges"][1]).sum()
    assert found["counts"][-1] == (values >= found["edges"][-2]).sum()


def test_scores_have_a_histogram_of_50_equal_bins():
    values = np.random.default_rng(0).normal(size=1000)
    found = describe(values)
    counts, edges = np.histogram(values, bins=BINS)
    assert found["histogram"] == {"edges": edges.tolist(), "counts": counts.tolist()}


def test_all_lengths_alike_are_one_bin():
    found = describe(np.full(7, 3, dtype=np.int32))
    assert found["histogram"]["counts"] == [7] + [0] * (BINS - 1)


def test_what_stands_twice_and_what_is_trained_on_too(data_config):
    train = kept(text=["a", "b", "a", "a", "c", ""])
    held = kept(text=["c", "d", "c", "a", "e"])
    found = Look(kept=train, data=data_config(source="text")).report()
    assert (found["examples"], found["duplicates"], found["empty"]) == (6, 2, 1)
    assert "in_train" not in found
    found = Look(kept=held, data=data_config(source="text")).report(train)
    assert (found["duplicates"], found["in_train"], found["empty"]) == (1, 3, 0)


def test_a_pair_is_the_same_where_both_texts_are(data_config):
    train = kept(text=["a", "b"], text_pair=["x", "y"])
    held = kept(text=["a", "b"], text_pair=["y", "y"])
    found = Look(kept=held, data=data_config(source="csv")).report(train)
    assert found["in_train"] == 1
    assert set(found["characters"]) == {"text", "text_pair"}


def test_rows_are_counted_before_truncation_and_that_is_not_stored(data_config):
    look = Look(
        kept=kept(text=["a"] * 4, label=['"x"'] * 4),
        data=data_config(source="csv"),
        encoder=Encoder,
        facts={"labels": ["x", "y"]},
    )
    columns = {"input_ids": [[1]] * 4, "length": [3, 16, 16, 16], "full_length": [3, 16, 17, 99]}
    stored = look.see_rows({"text": ["a"] * 4, "label": ['"x"'] * 4}, columns)
    assert set(stored) == {"input_ids", "length"}
    tokens = look.report()["tokens"]["row"]
    assert (tokens["limit"], tokens["truncated"], tokens["max"]) == (16, 2, 99)
    assert look.report()["classes"] == {"x": 4, "y": 0}


def test_without_full_lengths_the_lengths_are_taken(data_config):
    look = Look(kept=kept(text=["a"]), data=data_config(source="csv"), encoder=Encoder)
    look.see_rows({"text": ["a"]}, {"length": [5]})
    assert look.report()["tokens"]["row"]["median"] == 5


@pytest.mark.parametrize(("given", "limit"), [(None, 16), (20, 20)])
def test_each_side_of_a_translation_has_its_own_limit(data_config, given, limit):
    data = data_config({"max_target_length": given}, source="csv")
    look = Look(kept=kept(source=["a", "b"], target=["c", "d"]), data=data, encoder=Encoder)
    full = {"full_length_source": [16, 17], "full_length_target": [25, 18]}
    look.see_rows({"source": ["a", "b"], "target": ["c", "d"]}, {"length": [1, 1], **full})
    tokens = look.report()["tokens"]
    assert (tokens["source"]["limit"], tokens["source"]["truncated"]) == (16, 1)
    assert tokens["target"]["limit"] == limit
    assert tokens["target"]["truncated"] == (2 if limit == 16 else 1)


def test_of_packed_blocks_nothing_is_cut_off(data_config):
    look = Look(kept=kept(text=["a", "b"]), data=data_config(source="text"))
    look.see_documents([[1] * 20, [1] * 5])
    found = look.report()
    assert found["special_tokens"] is False
    tokens = found["tokens"]["row"]
    assert (tokens["max"], tokens["limit"], tokens["truncated"]) == (20, None, 0)


@pytest.mark.parametrize("packing", ["separate", "none"])
def test_a_document_of_its_own_is_cut_off_with_its_special_tokens(data_config, packing):
    look = Look(kept=kept(text=["a"] * 3), data=data_config(source="text", packing=packing))
    look.see_documents([[1] * 15, [1] * 14, [1]])  # of 16 in all, 14 are the text's
    found = look.report()
    assert found["special_tokens"] is True
    assert (found["tokens"]["row"]["max"], found["tokens"]["row"]["truncated"]) == (17, 1)


def test_several_labels_of_an_example_count_each_and_scores_have_a_histogram(data_config):
    data = data_config(source="csv")
    many = Look(kept=kept(text=["a"] * 3), data=data, encoder=Encoder, facts={"labels": ["p", "q"]})
    many.see_rows({"label": ['["p", "q"]', '["q"]', '["q"]']}, {"length": [1] * 3})
    many.see_rows({"label": ['["q"]']}, {"length": [1]})
    assert many.report()["classes"] == {"p": 1, "q": 4}
    scored = Look(kept=kept(text=["a"] * 3), data=data, encoder=Encoder)
    scored.see_rows({"label": ["1.5", "0.5", "1.5"]}, {"length": [1] * 3})
    found = scored.report()
    assert "classes" not in found
    assert (found["scores"]["min"], found["scores"]["max"]) == (0.5, 1.5)
    assert found["scores"]["mean"] == pytest.approx(3.5 / 3, abs=1e-4)
