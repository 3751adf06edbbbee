"""Batches are padded to their longest row and no further."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from electralab.data.collate import PackingCollator, PaddingCollator
from tests.tasks.classifying import tokenizer

NAMES = ["input_ids", "attention_mask", "token_type_ids"]
ROWS = [
    {"input_ids": [2, 7, 8, 3], "token_type_ids": [0, 0, 1, 1], "labels": 1, "index": 5},
    {"input_ids": np.array([2, 3]), "token_type_ids": [0, 0], "labels": 0, "length": 2},
]


@pytest.mark.parametrize("side", ["right", "left"])
def test_rows_are_padded_on_the_side_of_the_tokenizer(side):
    made = tokenizer()
    made.padding_side = side
    pad = made.pad_token_id
    batch = PaddingCollator(tokenizer=made, names=NAMES)(ROWS)
    short = {"input_ids": [2, 3, pad, pad], "attention_mask": [1, 1, 0, 0]}
    if side == "left":
        short = {"input_ids": [pad, pad, 2, 3], "attention_mask": [0, 0, 1, 1]}
    assert set(batch) == {*NAMES, "labels"}
    assert batch["input_ids"].tolist() == [[2, 7, 8, 3], short["input_ids"]]
    assert batch["attention_mask"].tolist() == [[1] * 4, short["attention_mask"]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1, 1], [0] * 4]
    assert batch["labels"].tolist() == [1, 0] and batch["labels"].dtype == torch.int64


def test_what_the_model_does_not_take_is_left_out():
    batch = PaddingCollator(tokenizer=tokenizer(), names=NAMES[:2])(ROWS)
    assert set(batch) == {"input_ids", "attention_mask", "labels"}


def test_batches_can_be_a_multiple_long():
    batch = PaddingCollator(tokenizer=tokenizer(), names=NAMES, multiple=8)(ROWS)
    assert batch["input_ids"].shape == (2, 8) and batch["attention_mask"].sum() == 6


def test_scores_and_several_labels():
    made = {"tokenizer": tokenizer(), "names": NAMES}
    rows = [{"input_ids": [2, 3]}] * 3
    scores = [{**row, "labels": score} for row, score in zip(rows, (0.5, 1.0, -2.0), strict=True)]
    labels = PaddingCollator(**made)(scores)["labels"]
    assert labels.tolist() == [0.5, 1.0, -2.0] and labels.dtype == torch.float32
    sets = [{**row, "labels": ids} for row, ids in zip(rows, ([0, 2], [], [1]), strict=True)]
    labels = PaddingCollator(**made, classes=3)(sets)["labels"]
    assert labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert "labels" not in PaddingCollator(**made)(rows)


@pytest.mark.parametrize("count", [1, 2, 33])
def test_texts_share_rows_and_each_keeps_its_tokens_types_places_and_label(count):
    rng = np.random.default_rng(count)
    rows = []
    for number, length in enumerate(rng.integers(3, 40, count)):
        ids, types = rng.integers(5, 300, length), rng.integers(0, 2, length)
        rows.append({"input_ids": ids, "token_type_ids": types, "labels": number})
    made = tokenizer()
    batch = PackingCollator(tokenizer=made, names=NAMES)(rows)
    assert batch["labels"].tolist() == list(range(count))
    packed, width = batch["input_ids"].shape
    assert width % 8 == 0 and width - 8 < max(len(row["input_ids"]) for row in rows) <= width
    assert packed <= 11 / 9 * sum(len(row["input_ids"]) for row in rows) / width + 1
    first = batch["picked"].flatten()[batch["order"]].tolist()
    for row, start, place in zip(rows, first, batch["order"].tolist(), strict=True):
        length, line = len(row["input_ids"]), place // batch["picked"].shape[1]
        own = slice(start, start + length)
        for name in ("input_ids", "token_type_ids"):
            assert batch[name][line, own].tolist() == row[name].tolist()
        assert batch["position_ids"][line, own].tolist() == list(range(length))
        [segment] = set(batch["segments"][line, own].tolist())
        assert segment > 0 and (batch["segments"][line] == segment).sum() == length
    real = batch["attention_mask"].bool()
    assert real.sum() == sum(len(row["input_ids"]) for row in rows)
    assert torch.equal(real, batch["segments"] > 0)
    assert (batch["input_ids"][~real] == made.pad_token_id).all()
