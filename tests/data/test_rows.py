"""Rows on disk come back as they were written, whatever the batches."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from datasets import Dataset

from electralab.data import prepare as preparing
from electralab.data.build import BATCH
from electralab.data.rows import EncodedRows, write_rows

ROWS = [
    {"input_ids": list(range(length)), "labels": length % 3, "length": length}
    for length in np.random.default_rng(0).integers(2, 30, 100).tolist()
]


def batches(size):
    for start in range(0, len(ROWS), size):
        part = ROWS[start : start + size]
        yield {name: [row[name] for row in part] for name in part[0]}


@pytest.fixture
def rows(tmp_path) -> EncodedRows:
    write_rows(batches(7), tmp_path)
    return EncodedRows(tmp_path)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_come_back_as_they_were_written(tmp_path, size):
    count = write_rows(batches(size), tmp_path)
    rows = EncodedRows(tmp_path)
    assert count == {"documents": 100, "tokens": sum(r["length"] for r in ROWS), "rows": 100}
    assert len(rows) == 100
    assert [rows[i] for i in range(100)] == [
        {**row, "epoch": 0, "index": index} for index, row in enumerate(ROWS)
    ]
    assert rows.lengths.tolist() == [row["length"] for row in ROWS]


def test_an_index_beyond_the_length_is_the_same_row_in_a_later_epoch(rows):
    for epoch, row in ((0, 0), (1, 3), (7, 99)):
        assert rows[epoch * 100 + row] == {**ROWS[row], "epoch": epoch, "index": row}
    with pytest.raises(IndexError):
        rows[-1]


def test_the_rows_of_a_batch_are_read_at_once(rows):
    wanted = [3, 250, 99, 3, 100]
    assert rows.__getitems__(wanted) == [rows[index] for index in wanted]


def test_a_worker_opens_the_file_itself(tmp_path):
    write_rows([*batches(7)] * 50, tmp_path)
    rows = EncodedRows(tmp_path)
    content = pickle.dumps(rows)
    assert len(content) < rows.lengths.nbytes + 10_000  # no ids, which are 16 times as many
    assert pickle.loads(content)[6005] == rows[6005]


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0], [[0, 2], [], [1]]], ids=["scores", "several"])
def test_scores_and_several_labels_are_kept_as_they_are(tmp_path, values):
    columns = {"input_ids": [[1]] * 3, "length": [1] * 3, "labels": values}
    write_rows([columns], tmp_path)
    assert [EncodedRows(tmp_path)[i]["labels"] for i in range(3)] == values


class Letters:
    """Rows of a number a letter, cut off at four."""

    settings = {"task": "letters"}  # noqa: RUF012
    null_is_none = False

    def learn(self, documents):
        return {"labels": sorted(documents.tables["train"].unique("label"))}

    def stray(self, label, facts):
        return label not in facts["labels"]

    def check(self, split, table, facts):
        assert isinstance(table, Dataset) and facts["labels"]

    def classes(self, label, facts):
        return [label]

    def encode(self, batch, *, tokenizer, facts):
        ids = [[ord(letter) for letter in text] for text in batch["text"]]
        return {
            "input_ids": [row[:4] for row in ids],
            "labels": [facts["labels"].index(label) for label in batch["label"]],
            "length": [min(4, len(row)) for row in ids],
            "full_length": [len(row) for row in ids],
        }


def prepare(data, tokenizer, cache_dir):
    columns = {"text": "text", "label": "label"}
    how = {"columns": columns, "encoder": Letters(), "tokenizer": tokenizer}
    return preparing.prepare(data=data, **how, cache_dir=cache_dir)


def write_csv(path, texts):
    lines = [f"{text},{'long' if len(text) > 4 else 'short'}" for text in texts]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return str(path)


def test_examples_become_rows_and_a_report(data_config, tokenizer, tmp_path):
    texts = ["ab", "abcde", "ab", "c"] * (BATCH // 4) + ["xyz", "wxyzw"]  # more than one batch
    data = data_config(
        {"source": "csv", "path": write_csv(tmp_path / "train.csv", texts), "max_length": 8}
        | {"split.validation": write_csv(tmp_path / "valid.csv", ["ab", "q", "zzzzzzzzz"])}
    )
    prepared = prepare(data, tokenizer, tmp_path / "cache")
    assert [prepared.train[i]["input_ids"] for i in range(2)] == [[97, 98], [97, 98, 99, 100]]
    assert prepared.train[1]["labels"] == prepared.facts["labels"].index('"long"')
    assert "full_length" not in prepared.train[0]
    train, valid = (prepared.report["splits"][split] for split in ("train", "validation"))
    assert train["examples"] == len(prepared.train) == BATCH + 2
    assert train["duplicates"] == BATCH - 3 and valid["in_train"] == 1
    assert train["classes"] == {'"long"': BATCH // 4 + 1, '"short"': 3 * BATCH // 4 + 1}
    assert train["tokens"]["row"]["max"] == 5
    assert (valid["tokens"]["row"]["max"], valid["tokens"]["row"]["truncated"]) == (9, 1)
    again = prepare(data, tokenizer, tmp_path / "cache")
    assert again.from_cache and again.report == prepared.report


def test_duplicates_go_from_train_and_not_from_what_is_held_out(data_config, tokenizer, tmp_path):
    data = data_config(
        {
            "source": "csv",
            "path": write_csv(tmp_path / "train.csv", ["ab", "abcde", "ab", "q", "c"]),
        }
        | {"split.validation": write_csv(tmp_path / "valid.csv", ["q", "z", "z"])}
        | {"clean.drop_duplicates": True}
    )
    prepared = prepare(data, tokenizer, tmp_path / "cache")
    assert [row["input_ids"] for row in prepared.train.table] == [[97, 98], [97, 98, 99, 100], [99]]
    assert [row["input_ids"] for row in prepared.validation.table] == [[113], [122]]
    dropped = {name: n for name, n in prepared.report["dropped"].items() if n}
    assert dropped == {"held_out": 1, "duplicate": 2}
    assert prepared.report["splits"]["validation"]["in_train"] == 0


def test_a_share_of_texts_that_stand_twice_overlaps_unless_they_are_dropped(
    data_config, tokenizer, tmp_path
):
    texts = [f"t{number % 20}" for number in range(200)] + ["abcdef"]
    path = write_csv(tmp_path / "train.csv", texts)
    given = {"source": "csv", "path": path, "split.validation": 0.2}
    leaky = prepare(data_config(given), tokenizer, tmp_path / "a").report["splits"]["validation"]
    assert leaky["in_train"] > 0.9 * leaky["examples"]
    clean = data_config(given | {"clean.drop_duplicates": True})
    sound = prepare(clean, tokenizer, tmp_path / "b").report["splits"]["validation"]
    assert sound["in_train"] == 0 and sound["examples"] == 4
