"""The task: evaluation that compares runs fairly, and metrics that reward no triviality."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import EvalPrediction

from electralab.task_config import RtdConfig
from electralab.tasks.rtd import ReplacedTokenDetection
from tests.models.conftest import VOCAB, make_collator, make_examples

TOKENIZER = SimpleNamespace(
    pad_token_id=0, mask_token_id=4, all_special_ids=[0, 1, 2, 3, 4], padding_side="right"
)
UNIGRAM = np.r_[np.zeros(5), np.full(VOCAB - 5, 1 / (VOCAB - 5))]
DATA = SimpleNamespace(tokenizer=TOKENIZER, unigram=UNIGRAM, unigram_entropy=6.0)


def make_task(**changes) -> ReplacedTokenDetection:
    keys = {
        "name": "rtd",
        "mask_prob": 0.15,
        "replace_prob": 0.85,
        "disc_weight": 50,
        "gen_weight": 1,
        "temperature": 1,
        "eval_mask_prob": 0.15,
        "preview_steps": None,
        "preview_examples": 1,
    }
    return ReplacedTokenDetection(
        config=RtdConfig(**(keys | changes)), data=SimpleNamespace(max_length=32)
    )


def collators(task, seed=0):
    return task.collators(data=DATA, seed=seed)


def test_evaluation_masks_are_the_same_in_every_run():
    examples = make_examples([30, 12, 5])
    _, reference = collators(make_task())
    _, other = collators(make_task(mask_prob=0.4, replace_prob=0.5, disc_weight=1), seed=9)
    one, two = reference(examples), other(examples)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    _, rarer = collators(make_task(eval_mask_prob=0.05))
    assert rarer(examples)["chosen"].sum() < one["chosen"].sum()


def test_training_masks_are_never_evaluation_masks():
    examples = make_examples([30] * 8)
    train, evaluation = collators(make_task())
    assert not torch.equal(train(examples)["masked_ids"], evaluation(examples)["masked_ids"])


def test_counts_are_made_on_the_device():
    """A number from the host would have to be copied to the device, and waited for."""
    for lengths, real in (([30, 30], 64), ([30, 5], 39)):
        batch = make_collator()(make_examples(lengths))
        chosen, tokens = make_task().count_items(batch).tolist()
        assert (chosen, tokens) == (batch["chosen"].sum(), real)
        meta = make_task().count_items({k: v.to("meta") for k, v in batch.items()})
        assert meta.device.type == "meta"


def evaluate(task, disc, replaced, maskable):
    shape = disc.shape
    nll, guessed = np.full((shape[0], 2), 3.0), np.zeros((shape[0], 2), dtype=np.int8)
    counted = np.where(maskable, replaced, -100)
    labels = (guessed, replaced, counted, counted)
    return task.compute_metrics(EvalPrediction(predictions=(nll, disc, disc), label_ids=labels))


def test_knowing_the_special_tokens_is_no_merit():
    """They are never replaced: a discriminator that knows nothing else stays at .5."""
    rng = np.random.default_rng(0)
    maskable = np.ones((900, 64), dtype=bool)
    maskable[:, [0, -1]] = False
    replaced = ((rng.random(maskable.shape) < 0.12) & maskable).astype(np.int8)
    scores = np.where(maskable, rng.normal(size=maskable.shape), -20.0)
    found = evaluate(make_task(), scores, replaced, maskable)
    assert found["disc_auc_low"] < 0.5 < found["disc_auc_high"]
    assert found["probe_auc"] == found["disc_auc"]


def test_the_evaluation_loss_weighs_both_parts():
    replaced = np.array([[0, 1, 0, 0]], dtype=np.int8)
    scores = np.array([[-1.0, 2.0, 0.5, -3.0]])
    found = evaluate(make_task(gen_weight=2, disc_weight=10), scores, replaced, replaced >= 0)
    p = 1 / (1 + np.exp(-scores))
    bce = -np.where(replaced == 1, np.log(p), np.log(1 - p)).mean()
    assert found["disc_loss"] == pytest.approx(bce, rel=1e-12)
    assert found["loss"] == pytest.approx(2 * 3.0 + 10 * bce, rel=1e-12)
    assert found["disc_balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_summary_without_areas_is_still_a_summary():
    task = make_task()
    lines = task.highlights({"eval_mlm_loss": 5.0}, baseline={}, data=DATA)
    assert len(lines) == 1 and "1.000 below" in lines[0]
    assert task.highlights({}, baseline={}, data=DATA)
