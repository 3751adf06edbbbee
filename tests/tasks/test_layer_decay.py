"""Each layer learns at the same share of the rate of the one above it, in any architecture."""

from __future__ import annotations

import re

import pytest
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from electralab.tasks.layer_decay import layer_scales

SIZES = {"vocab_size": 60, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
LAYERS = {"num_hidden_layers": 3}
RELATIVE = {"relative_attention": True, "position_buckets": 4, "pos_att_type": ["p2c", "c2p"]}
MODELS = {
    "bert": BertConfig(**SIZES, **LAYERS),
    "roberta": RobertaConfig(**SIZES, **LAYERS),
    "electra": ElectraConfig(**SIZES, **LAYERS, embedding_size=8),
    "distilbert": DistilBertConfig(vocab_size=60, dim=16, hidden_dim=24, n_heads=2, n_layers=3),
    "deberta": DebertaV2Config(**SIZES, **LAYERS, **RELATIVE, norm_rel_ebd="layer_norm"),
    "modernbert": ModernBertConfig(**SIZES, **LAYERS, pad_token_id=0),
    "mpnet": MPNetConfig(**SIZES, **LAYERS),
}
# What is part of the head, by name; BERT's pooler stands inside of its base model.
HEADS = r"(^|\.)(classifier|pooler|pre_classifier|head|final_norm)\."
LAYER = r"\.(?:layer|layers)\.(\d)\."


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_has_the_rate_of_its_layer(name):
    model = AutoModelForSequenceClassification.from_config(MODELS[name])
    found = layer_scales(model, decay=0.5)
    assert list(found) == [parameter for parameter, _ in model.named_parameters()]
    for parameter, scale in found.items():
        layer = re.search(LAYER, parameter)
        if re.search(HEADS, parameter):
            wanted = 1.0
        elif layer:  # of 0, 1, 2: the last one has half of the head's rate
            wanted = 0.5 ** (3 - int(layer[1]))
        else:
            wanted = 0.5**4
        assert scale == wanted, parameter
    assert set(found.values()) == {1.0, 0.5, 0.25, 0.125, 0.0625}


def test_a_projection_of_the_embeddings_and_relative_positions_go_with_the_embeddings():
    electra = AutoModelForSequenceClassification.from_config(MODELS["electra"])
    assert layer_scales(electra, decay=0.5)["electra.embeddings_project.weight"] == 0.5**4
    deberta = AutoModelForSequenceClassification.from_config(MODELS["deberta"])
    found = layer_scales(deberta, decay=0.5)
    assert found["deberta.encoder.rel_embeddings.weight"] == 0.5**4
    assert found["deberta.encoder.LayerNorm.weight"] == 0.5**4


def test_layers_that_share_their_weights_are_one():
    config = AlbertConfig(**SIZES, **LAYERS, embedding_size=8)
    found = layer_scales(AutoModelForSequenceClassification.from_config(config), decay=0.5)
    assert set(found.values()) == {1.0, 0.5, 0.25}


def test_the_optimiser_has_every_parameter_once_at_its_rate(tmp_path):
    from tests.tasks.test_classification import make_trainer

    trainer = make_trainer(tmp_path, layer_decay=0.5, learning_rate=0.1, weight_decay=0.01)
    optimizer = trainer.create_optimizer()
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    scales = layer_scales(trainer.model, decay=0.5)
    seen = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names[parameter]
            seen.append(name)
            assert group["lr"] == pytest.approx(0.1 * scales[name])
            undecayed = name.endswith("bias") or "LayerNorm" in name
            assert group["weight_decay"] == (0.0 if undecayed else 0.01), name
    assert sorted(seen) == sorted(names.values())
