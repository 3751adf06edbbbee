"""Rows and batches of sentence pairs."""

from __future__ import annotations

import pytest
import torch

from electralab.data.bpe import train_bpe
from electralab.data.parallel import IGNORED, ParallelCollator, ParallelEncoder
from tests.tasks.translating import pairs

PAIRS = pairs(50)


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([text for pair in PAIRS for text in pair], vocab_size=330, lowercase=False)


def encode(tokenizer, batch=PAIRS, **settings):
    encoder = ParallelEncoder(**({"max_length": 64, "max_target_length": 64} | settings))
    columns = {"source": [s for s, _ in batch], "target": [t for _, t in batch]}
    return encoder.encode(columns, tokenizer=tokenizer, facts={})


def test_each_side_is_its_own_text_and_ends(tokenizer):
    rows = encode(tokenizer)
    for row, (source, target) in enumerate(PAIRS):
        assert tokenizer.decode(rows["input_ids"][row]) == f"{source}</s>"
        assert tokenizer.decode(rows["labels"][row]) == f"{target}</s>"
        assert rows["length"][row] == len(rows["input_ids"][row]) + len(rows["labels"][row])
    assert (rows["source"], rows["target"]) == tuple(map(list, zip(*PAIRS, strict=True)))


def test_each_side_has_its_own_limit(tokenizer):
    rows = encode(tokenizer, max_length=4, max_target_length=3)
    assert {len(ids) for ids in rows["input_ids"]} == {4}
    assert {len(ids) for ids in rows["labels"]} == {3}
    assert rows["target"] == [target for _, target in PAIRS]  # the reference is not cut
    whole = encode(tokenizer)
    for side, name in (("source", "input_ids"), ("target", "labels")):
        assert rows[f"full_length_{side}"] == list(map(len, whole[name]))


def test_some_are_cut_off_and_others_stay_whole(tokenizer):
    limit = 7
    rows = encode(tokenizer, max_length=limit, max_target_length=limit)
    sources, targets = map(list, zip(*PAIRS, strict=True))
    how = {"truncation": True, "max_length": limit}
    assert rows["input_ids"] == tokenizer(sources, **how)["input_ids"]
    assert rows["labels"] == tokenizer(text_target=targets, **how)["input_ids"]
    assert min(rows["full_length_source"]) <= limit < max(rows["full_length_source"])


def test_a_prefix_stands_before_sources_alone(tokenizer):
    rows = encode(tokenizer, prefix="to French: ")
    for row, (source, target) in enumerate(PAIRS):
        assert tokenizer.decode(rows["input_ids"][row]) == f"to French: {source}</s>"
        assert tokenizer.decode(rows["labels"][row]) == f"{target}</s>"


def test_pads_count_nowhere():
    rows = [
        {"input_ids": [7, 8, 1], "labels": [9, 1], "index": 4, "source": "a", "target": "b"},
        {"input_ids": [7, 1], "labels": [9, 9, 9, 1], "index": 2, "source": "a", "target": "b"},
    ]
    batch = ParallelCollator(pad_id=5)(rows)
    assert batch["input_ids"].tolist() == [[7, 8, 1], [7, 1, 5]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[9, 1, IGNORED, IGNORED], [9, 9, 9, 1]]
    assert torch.equal(batch["index"], torch.tensor([4, 2]))
