"""Batches are padded to their longest row and no further."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from electralab.data.collate import PaddingCollator
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
