"""What a masked language model reads: how many tokens, what becomes of them, and when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from electralab.models.mlm_masking import MlmCollator
from tests.models.conftest import MASK, PAD, VOCAB, make_examples
from tests.models.test_masking import expected_count

SPECIAL = (0, 1, 2, 3, 4, 60)


def make_collator(**changes) -> MlmCollator:
    settings = {
        "seed": 7,
        "mask_prob": 0.15,
        "mask_share": 0.8,
        "random_share": 0.1,
        "max_length": 32,
        "vocab_size": VOCAB,
        "pad_id": PAD,
        "mask_id": MASK,
        "special_ids": SPECIAL,
    }
    return MlmCollator(**(settings | changes))


@pytest.mark.parametrize("mask_prob", [0.01, 0.15, 0.5, 0.99])
def test_exactly_k_tokens_a_row_are_chosen_and_none_of_them_is_special(mask_prob):
    examples = make_examples(np.random.default_rng(1).integers(0, 31, 500))
    batch = make_collator(mask_prob=mask_prob, mask_share=1.0, random_share=0.0)(examples)
    maskable = [sum(id not in SPECIAL for id in row["input_ids"].tolist()) for row in examples]
    wanted = [expected_count(n, mask_prob) for n in maskable]
    assert batch["chosen"].sum(1).tolist() == wanted
    assert (batch["input_ids"] == MASK).sum(1).tolist() == wanted
    assert not np.isin(batch["originals"][batch["chosen"]].numpy(), SPECIAL).any()
    assert batch["positions"].shape[1] == expected_count(32, mask_prob)


def test_shares_are_those_that_were_asked_for_and_random_tokens_are_uniform():
    examples = make_examples([30] * 12_000)
    batch = make_collator(mask_share=0.5, random_share=0.3)(examples)
    chosen = batch["chosen"]
    read = batch["input_ids"].gather(1, batch["positions"])[chosen].numpy()
    original = batch["originals"][chosen].numpy()
    masked, same = read == MASK, read == original
    assert stats.binomtest(int(masked.sum()), len(read), 0.5).pvalue > 1e-3
    changed = read[~masked & ~same]
    normal = np.setdiff1d(np.arange(VOCAB), SPECIAL)
    lucky = 1 / len(normal)  # a random token can be the one that stood there
    assert stats.binomtest(len(changed), len(read), 0.3 * (1 - lucky)).pvalue > 1e-3
    assert not np.isin(changed, SPECIAL).any()
    counts = np.bincount(changed, minlength=VOCAB)[normal]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_what_was_not_chosen_stays_and_the_originals_are_kept():
    examples = make_examples([30, 12, 5, 0])
    batch = make_collator(mask_prob=0.5)(examples)
    back = batch["input_ids"].scatter(1, batch["positions"], batch["originals"])
    for row, example in zip(back, examples, strict=True):
        length = len(example["input_ids"])
        assert row[:length].tolist() == example["input_ids"].tolist()
        assert (row[length:] == PAD).all()
    changed = (batch["input_ids"] != back).sum(1)
    assert (changed <= batch["chosen"].sum(1)).all()


@pytest.mark.parametrize("whole_word", [False, True])
def test_a_mask_is_a_function_of_seed_epoch_and_example(whole_word):
    starts = np.random.default_rng(0).random(VOCAB) < 0.5 if whole_word else None
    collate = make_collator(word_starts=starts, random_share=0.2)
    examples = make_examples([30, 11, 4, 25, 30, 19])
    whole = collate(examples)
    for i in (0, 2, 5):  # alone, in another batch, without its neighbours' padding
        alone = collate([examples[i]])["input_ids"][0]
        assert (alone == whole["input_ids"][i, : len(alone)]).all()
    left = make_collator(word_starts=starts, random_share=0.2, padding_side="left")(examples)
    for i, example in enumerate(examples):
        n = len(example["input_ids"])
        assert (left["input_ids"][i, -n:] == whole["input_ids"][i, :n]).all()
    later = collate([{**example, "epoch": 1} for example in examples])
    other = make_collator(word_starts=starts, seed=8)(examples)
    assert not torch.equal(later["input_ids"], whole["input_ids"])
    assert not torch.equal(other["input_ids"], whole["input_ids"])


def test_whole_words_are_masked_whole():
    starts = np.arange(VOCAB) % 2 == 0  # odd ids continue a word
    examples = make_examples([30] * 500)
    batch = make_collator(word_starts=starts, mask_share=1.0, random_share=0.0)(examples)
    masked = (batch["input_ids"] == MASK).numpy()
    for row, example in enumerate(examples):
        ids = example["input_ids"]
        for place in range(2, 31):
            together = (
                not starts[ids[place]] and not np.isin(ids[place - 1 : place + 1], SPECIAL).any()
            )
            if together and masked[row, place] != masked[row, place - 1]:
                # Only where a word of more than eight pieces is cut.
                run = place - max(i for i in range(place + 1) if starts[ids[i]] or i == 1)
                assert run % 8 == 0, (row, place)
