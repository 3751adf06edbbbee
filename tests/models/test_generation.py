"""What words cost, against a slow reference; how a model writes."""

from __future__ import annotations

import logging

import pytest
import torch
from transformers import (
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
)

from electralab.models import generation
from electralab.models.generation import set_generation, target_logits, target_nll

SIZES = {
    "vocab_size": 40,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}


def marian() -> MarianMTModel:
    torch.manual_seed(0)
    return MarianMTModel(MarianConfig(**SIZES)).eval()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("at_a_time", [10**9, 200, 1])
def test_a_row_costs_what_a_float64_loop_says(monkeypatch, smoothing, at_a_time):
    monkeypatch.setattr(generation, "LOGITS", at_a_time)
    torch.manual_seed(0)
    logits = torch.randn(5, 4, 30, requires_grad=True)
    labels = torch.randint(0, 30, (5, 4)).masked_fill(torch.rand(5, 4) < 0.4, -100)
    found = target_nll(logits, labels, label_smoothing=smoothing)
    found.sum().backward()
    exact = logits.detach().double().requires_grad_()
    wanted = []
    for row, answers in zip(exact, labels, strict=True):
        total = torch.zeros((), dtype=torch.float64)
        for position, answer in zip(row, answers.tolist(), strict=True):
            if answer != -100:
                surprise = torch.logsumexp(position, 0) - position
                total = total + (1 - smoothing) * surprise[answer] + smoothing * surprise.mean()
        wanted.append(total)
    torch.stack(wanted).sum().backward()
    torch.testing.assert_close(found.double(), torch.stack(wanted), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "model", [marian(), M2M100ForConditionalGeneration(M2M100Config(**SIZES)).eval()]
)
def test_the_decoder_sees_the_target_before_each_position(model):
    labels = torch.tensor([[5, 6, 7, 1], [8, 1, -100, -100]])
    batch = {"input_ids": torch.tensor([[9, 3, 1], [4, 1, 0]]), "labels": labels}
    batch["attention_mask"] = (batch["input_ids"] != 0).long()
    shifted = torch.tensor([[0, 5, 6, 7], [0, 8, 1, 0]])
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        wanted = model(**inputs, decoder_input_ids=shifted).logits
        torch.testing.assert_close(target_logits(model, batch), wanted)
        loss = target_nll(wanted, labels).sum() / (labels != -100).sum()
        torch.testing.assert_close(loss, model(**inputs, labels=labels).loss)


def test_habits_of_a_checkpoint_are_left_behind(tmp_path, caplog, monkeypatch):
    model = marian()
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    habits = {"max_length": 512, "num_beams": 6, "no_repeat_ngram_size": 3, "length_penalty": 2.0}
    model.generation_config = GenerationConfig(
        **ids, **habits, early_stopping=True, bad_words_ids=[[0]]
    )
    set_generation(model, max_new_tokens=7, num_beams=1, forced_bos_token_id=5)
    model.save_pretrained(tmp_path)
    loaded = MarianMTModel.from_pretrained(tmp_path).eval()
    kept = loaded.generation_config.to_diff_dict()
    assert not {"max_length", "no_repeat_ngram_size", "length_penalty", "early_stopping"} & {*kept}
    assert kept["bad_words_ids"] == [[0]] and kept["num_beams"] == 1
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    with caplog.at_level("WARNING"):
        written = loaded.generate(input_ids=torch.tensor([[9, 3, 1]]))
    assert written[0, :2].tolist() == [0, 5] and written.shape[1] <= 8
    assert not caplog.records
