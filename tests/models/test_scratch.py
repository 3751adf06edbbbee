"""Models from random numbers: their sizes, their ids, and that a translator learns."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    ElectraForMaskedLM,
    ElectraForSequenceClassification,
)

from electralab.models.networks import load_network
from electralab.models.scratch import fresh_network

PAD, EOS, VOCAB, WIDTH = 3, 5, 120, 12


class Tokens:
    """A tokenizer's ids; neither is what configurations have by default."""

    pad_token_id = PAD
    eos_token_id = EOS

    def __len__(self) -> int:
        return VOCAB

    def get_vocab(self) -> dict[str, int]:
        return {str(number): number for number in range(VOCAB)}


def build(auto_class: type, *, seed: int = 0, **changes):
    torch.manual_seed(seed)
    sizes = {
        "embedding_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 40,
        "dropout": 0.2,
        "initializer_range": 0.02,
    }
    return fresh_network(auto_class, tokenizer=Tokens(), **(sizes | changes))


@pytest.mark.parametrize(
    ("auto_class", "cls"),
    [
        (AutoModelForMaskedLM, ElectraForMaskedLM),
        (AutoModelForSequenceClassification, ElectraForSequenceClassification),
    ],
)
def test_an_electra_has_its_sizes_and_every_tensor_is_fresh(auto_class, cls):
    network = build(auto_class, id2label={0: "a", 1: "b", 2: "c"})
    config = network.model.config
    assert isinstance(network.model, cls)
    assert (config.embedding_size, config.hidden_size, config.vocab_size) == (8, 16, VOCAB)
    assert (config.pad_token_id, config.hidden_dropout_prob, config.num_labels) == (PAD, 0.2, 3)
    assert {name for name, _ in network.model.named_parameters()} <= set(network.fresh)
    again = build(auto_class, seed=0).model
    weights = zip(network.model.electra.parameters(), again.electra.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_a_marian_has_its_sizes_its_ids_and_one_table():
    model = build(AutoModelForSeq2SeqLM).model
    config = model.config
    for half in ("encoder", "decoder"):
        sizes = [f"{half}_layers", f"{half}_ffn_dim", f"{half}_attention_heads"]
        assert [getattr(config, name) for name in sizes] == [2, 24, 2]
    assert (config.d_model, config.dropout, config.attention_dropout) == (16, 0.2, 0.2)
    generation = model.generation_config
    assert (generation.pad_token_id, generation.eos_token_id) == (PAD, EOS)
    assert (generation.decoder_start_token_id, generation.bos_token_id) == (PAD, None)
    tables = (model.model.encoder.embed_tokens, model.model.decoder.embed_tokens, model.lm_head)
    assert len({table.weight.data_ptr() for table in tables}) == 1


def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random sentences with random translations, of shape ``(count, WIDTH)`` each."""
    rng = random.Random(0)

    def row(low: int, high: int, fill: int) -> list[int]:
        words = [rng.randrange(low, high) for _ in range(rng.randint(4, WIDTH - 1))] + [EOS]
        return words + [fill] * (WIDTH - len(words))

    source = torch.tensor([row(6, 60, PAD) for _ in range(count)])
    return source, torch.tensor([row(60, VOCAB, -100) for _ in range(count)])


def test_a_marian_learns_twenty_pairs_by_heart_and_gives_them_back(tmp_path):
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4}
    model = build(AutoModelForSeq2SeqLM, **sizes, dropout=0.0).model
    source, target = pairs(20)
    inputs = {"input_ids": source, "attention_mask": (source != PAD).long()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 10))
    losses = []
    for _ in range(200):
        loss = model(**inputs, labels=target).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warmup.step()
    # As unsure as can be at first: no token is favoured before anything is learned.
    assert abs(losses[0] - torch.tensor(float(VOCAB)).log().item()) < 0.1
    assert losses[-1] < 0.1
    model.save_pretrained(tmp_path)
    again = load_network(AutoModelForSeq2SeqLM, str(tmp_path))
    assert again.fresh == []
    for beams in (1, 3):
        found = again.model.eval().generate(**inputs, max_new_tokens=WIDTH, num_beams=beams)
        for row, wanted in zip(found.tolist(), target.tolist(), strict=True):
            assert row[1 : row.index(EOS) + 1] == [word for word in wanted if word != -100]
