"""A classifier's last layer at first tokens alone, and several texts in a row: nothing changes.

The reference is the model as 🤗 Transformers has it, a text at a time, in float64.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)

from electralab.data.collate import PackingCollator, PaddingCollator
from electralab.models.first_tokens import class_logits, last_layer, look_at_first_tokens
from tests.tasks.classifying import tokenizer

SIZES = {
    "vocab_size": 300,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 0,
    "initializer_range": 0.3,
    "num_labels": 3,
}
DISTIL = {
    **{"vocab_size": 300, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    **{"max_position_embeddings": 64, "dropout": 0.0, "attention_dropout": 0.0},
    **{"seq_classif_dropout": 0.0, "pad_token_id": 0, "initializer_range": 0.3, "num_labels": 3},
}
KINDS = {
    "electra": ElectraConfig(**SIZES, embedding_size=8),
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**{**SIZES, "pad_token_id": 1, "max_position_embeddings": 66}),
    "distilbert": DistilBertConfig(**DISTIL),
}
# What has one token a text to look at, but no layers of its own or places that count otherwise.
OTHERS = {
    "albert": AlbertConfig(**SIZES, embedding_size=8, classifier_dropout_prob=0.0),
    "deberta": DebertaV2Config(
        **SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"], position_biased_input=False
    ),
    "modernbert, mean": ModernBertConfig(
        **{**SIZES, "num_hidden_layers": 2}, classifier_pooling="mean", reference_compile=False
    ),
}


def build(config, attention="sdpa"):
    """Returns a model as it is, and one that looks at first tokens, in float64."""
    torch.manual_seed(0)
    config = copy.deepcopy(config)
    config._attn_implementation = attention
    plain = AutoModelForSequenceClassification.from_config(config).double()
    return plain, copy.deepcopy(plain)


def rows(count: int = 11, *, seed: int = 0, pair: bool = True) -> list[dict]:
    rng = np.random.default_rng(seed)
    made = []
    for number, length in enumerate(rng.integers(3, 30, count)):
        types = (np.arange(length) > length // 2) & pair
        ids = rng.integers(5, 300, length)
        made.append({"input_ids": ids, "token_type_ids": types.astype(int), "labels": number % 3})
    return made


def names(kind: str) -> list[str]:
    return ["input_ids", "token_type_ids"][: 2 if kind in ("electra", "bert") else 1]


def alone(model, row: dict, kind: str) -> torch.Tensor:
    inputs = {name: torch.as_tensor(row[name])[None] for name in names(kind)}
    return model(**inputs).logits[0]


def gradients(model, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: part.grad for name, part in model.named_parameters() if part.grad is not None}


def made_for(config):
    made = tokenizer()
    made.pad_token_id = config.pad_token_id
    return made


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("collator", [PaddingCollator, PackingCollator])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_gradients_are_those_of_each_text_alone(kind, collator, attention):
    plain, model = build(KINDS[kind], attention)
    assert look_at_first_tokens(model, several=True)
    made = rows()
    pieces = made_for(KINDS[kind])
    batch = collator(tokenizer=pieces, names=[*names(kind), "attention_mask"])(made)
    labels = batch.pop("labels")
    if collator is PackingCollator:
        assert len(batch["input_ids"]) < len(made)  # rows do hold several texts
    logits = class_logits(model, batch)
    wanted = torch.stack([alone(plain, row, kind) for row in made])
    torch.testing.assert_close(logits, wanted, rtol=1e-9, atol=1e-11)
    found = gradients(model, torch.nn.functional.cross_entropy(logits, labels))
    expected = gradients(plain, torch.nn.functional.cross_entropy(wanted, labels))
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-7, atol=1e-10, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layer_computes_first_tokens_alone(kind):
    _, model = build(KINDS[kind])
    look_at_first_tokens(model)
    layer, seen = last_layer(model), []
    inner = layer.ffn if kind == "distilbert" else layer.intermediate
    inner.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    class_logits(model, {"input_ids": torch.full((4, 9), 7)})
    [shape] = seen
    assert shape[:2] == (4, 1)


@pytest.mark.parametrize("kind", OTHERS)
def test_models_of_another_make_are_left_as_they_are(kind):
    plain, model = build(OTHERS[kind], "eager")
    assert not look_at_first_tokens(model, several=True)
    assert not look_at_first_tokens(model)
    inputs = {"input_ids": torch.arange(5, 14)[None]}
    assert torch.equal(class_logits(model, inputs), plain(**inputs).logits)


def test_a_text_that_saw_its_neighbour_is_noticed(monkeypatch):
    _, model = build(KINDS["electra"])
    everything = lambda segments, **_: torch.ones(  # noqa: E731
        (len(segments), 1, *[segments.shape[1]] * 2), dtype=torch.bool
    )
    monkeypatch.setattr("electralab.models.apart.block_mask", everything)
    assert not look_at_first_tokens(model, several=True)


def test_weights_are_saved_as_ever_and_copies_stand_alone():
    plain, model = build(KINDS["electra"])
    look_at_first_tokens(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for part in model.parameters():
            part.zero_()
    inputs = {"input_ids": torch.arange(5, 14)[None]}
    torch.testing.assert_close(class_logits(twin, inputs), plain(**inputs).logits)


def test_with_gradient_checkpointing_too():
    plain, model = build(KINDS["electra"])
    look_at_first_tokens(model, several=True)
    model.gradient_checkpointing_enable()
    model.train()
    batch = PackingCollator(tokenizer=tokenizer(), names=names("electra"))(rows())
    batch.pop("labels")
    found = gradients(model, class_logits(model, batch).square().sum())
    wanted = torch.stack([alone(plain, row, "electra") for row in rows()])
    expected = gradients(plain, wanted.square().sum())
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-7, atol=1e-10, msg=name)
