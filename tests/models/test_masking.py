"""Traps 2, 4, 5 and 11 of replaced token detection: which positions, how many, from what."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from electralab.models.masking import choose_positions, chosen_count

from .conftest import MASK, VOCAB, make_collator, make_examples


def expected_count(maskable: int, mask_prob: float) -> int:
    return min(maskable, max(1, math.floor(mask_prob * maskable + 0.5)))


@pytest.mark.parametrize("mask_prob", [0.01, 0.15, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("side", ["right", "left"])
def test_exactly_k_positions_in_thousands_of_rows(mask_prob, side):
    lengths = np.random.default_rng(1).integers(0, 31, 2000)
    collate = make_collator(mask_prob=mask_prob, replace_prob=1.0, padding_side=side)
    for start in range(0, 2000, 50):
        part = lengths[start : start + 50]
        batch = collate(make_examples(part, seed=start))
        assert batch["chosen"].sum(1).tolist() == [expected_count(n, mask_prob) for n in part]
        # replace_prob 1: what is masked is what was chosen, and never a special token or a pad.
        changed = batch["masked_ids"] != batch["input_ids"]
        assert changed.sum(1).tolist() == batch["chosen"].sum(1).tolist()
        assert (batch["masked_ids"][changed] == MASK).all()
        assert (batch["input_ids"][changed] >= 5).all()


def test_positions_of_a_row_are_distinct_even_where_they_only_fill_it():
    batch = make_collator(mask_prob=0.5)(make_examples([30, 3, 0, 1, 12]))
    for row in batch["positions"].tolist():
        assert len(set(row)) == len(row)


def test_k_is_right_where_the_product_is_a_half():
    assert chosen_count(np.array([10, 30, 0, 1, 3]), 0.15).tolist() == [2, 5, 0, 1, 1]


def test_every_maskable_position_is_equally_likely_also_the_last():
    length, rows = 20, 20_000
    collate = make_collator(max_length=length + 2)
    batch = collate(make_examples([length] * rows))
    counts = np.bincount(batch["positions"][batch["chosen"]].numpy(), minlength=length + 2)
    assert counts[0] == 0 and counts[-1] == 0  # [CLS] and [SEP]
    assert counts.sum() == rows * 3
    assert stats.chisquare(counts[1:-1]).pvalue > 1e-3


def test_pairs_of_positions_are_equally_likely():
    length, rows = 8, 20_000
    maskable = np.ones((rows, length), dtype=bool)
    keys = np.random.default_rng(0).integers(0, 2**63, (rows, length), dtype=np.uint64)
    positions, chosen = choose_positions(maskable, mask_prob=0.25, width=2, keys=keys)
    assert chosen.all()
    pairs = np.sort(positions, axis=1) @ np.array([length, 1])
    assert stats.chisquare(np.unique(pairs, return_counts=True)[1]).pvalue > 1e-3
    assert len(np.unique(pairs)) == length * (length - 1) // 2


def test_replace_prob_is_the_share_that_becomes_the_mask():
    batch = make_collator(replace_prob=0.85)(make_examples([30] * 4000))
    masked = (batch["masked_ids"] == MASK).sum().item()
    chosen = batch["chosen"].sum().item()
    assert stats.binomtest(masked, chosen, 0.85).pvalue > 1e-3


def test_a_mask_is_a_function_of_seed_epoch_and_example():
    examples = make_examples([30, 11, 4, 25, 30, 19])
    collate = make_collator()
    whole = collate(examples)
    for i in (0, 2, 5):  # alone, in another batch, without its neighbours' padding
        alone = collate([examples[i]])
        length = alone["masked_ids"].shape[1]
        assert (alone["masked_ids"][0] == whole["masked_ids"][i, :length]).all()
        chosen = alone["chosen"][0]
        assert (alone["positions"][0][chosen] == whole["positions"][i][whole["chosen"][i]]).all()
    left = make_collator(padding_side="left")(examples)
    for i, example in enumerate(examples):  # padding moves a mask, but does not change it
        n = len(example["input_ids"])
        assert (left["masked_ids"][i, -n:] == whole["masked_ids"][i, :n]).all()
    later = collate([{**example, "epoch": 1} for example in examples])
    other = make_collator(seed=8)(examples)
    assert (later["masked_ids"] != whole["masked_ids"]).any()
    assert (other["masked_ids"] != whole["masked_ids"]).any()


def test_full_rows_need_no_attention_mask_and_short_ones_get_it():
    assert "attention_mask" not in make_collator()(make_examples([30, 30]))
    mask = make_collator()(make_examples([3, 5]))["attention_mask"]
    assert mask.tolist() == [[1, 1, 1, 1, 1, 0, 0], [1] * 7]


def test_the_probe_draws_from_the_unigram_distribution():
    weights = np.zeros(VOCAB)
    weights[5:] = np.random.default_rng(0).dirichlet(np.ones(VOCAB - 5))
    collate = make_collator(probe=np.cumsum(weights))
    batch = collate(make_examples([30] * 4000))
    drawn = batch["probe_ids"].gather(1, batch["positions"])[batch["chosen"]].numpy()
    observed = np.bincount(drawn, minlength=VOCAB)[5:]
    expected = weights[5:] * len(drawn)
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    kept = batch["probe_ids"] == batch["input_ids"]
    assert kept.sum() >= batch["input_ids"].numel() - len(drawn)
