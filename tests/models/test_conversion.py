"""A BERT as the discriminator of a pair."""

from __future__ import annotations

import logging

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel

from electralab.models.build import load_pair
from electralab.models.conversion import as_electra
from electralab.models.loading import load_electra
from tests.models.conftest import VOCAB

IDS = torch.tensor([[2, 7, 50, 31, 3, 0], [2, 9, 4, 3, 0, 0]])
MASK = (IDS != 0).long()
TYPES = torch.tensor([[0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0]])


def bert(cls: type = BertModel, **changes):
    torch.manual_seed(0)
    sizes = {
        "vocab_size": VOCAB,
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 40,
        "type_vocab_size": 2,
        "initializer_range": 0.3,  # large enough that every part can be seen in the outputs
        "layer_norm_eps": 1e-5,
    }
    return cls(BertConfig(**(sizes | changes))).eval()


def hidden(model) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS, attention_mask=MASK, token_type_ids=TYPES).last_hidden_state


def join(folder, **changes):
    settings = {
        "generator": None,
        "generator_sizes": {},
        "revision": None,
        "share_embeddings": None,
        "dropout": None,
    }
    return load_pair(str(folder), **(settings | changes)).eval()


@pytest.mark.parametrize("cls", [BertModel, BertForMaskedLM])
@pytest.mark.parametrize("act", ["gelu", "relu"])
def test_the_encoder_computes_what_the_bert_does(tmp_path, cls, act):
    model = bert(cls, hidden_act=act)
    model.save_pretrained(tmp_path)
    pair = join(tmp_path)
    wanted = hidden(model.base_model)
    assert torch.allclose(hidden(pair.discriminator.electra), wanted, rtol=1e-5, atol=1e-6)
    assert wanted.std() > 0.1


def test_the_head_and_the_generator_are_fresh_and_that_is_said(tmp_path, caplog):
    bert().save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        pair = join(tmp_path)
    assert (
        "lacks the head discriminator_predictions: 4 tensors start from random numbers"
        in caplog.text
    )
    config = pair.config.generator
    assert (config.hidden_size, config.embedding_size) == (4, 16)
    assert pair.config.share_embeddings == "all"
    assert pair.discriminator.config.embedding_size == 16


def test_dropout_can_be_replaced(tmp_path):
    bert(hidden_dropout_prob=0.3).save_pretrained(tmp_path)
    assert join(tmp_path).config.discriminator.hidden_dropout_prob == 0.3
    assert join(tmp_path, dropout=0.2).config.discriminator.hidden_dropout_prob == 0.2


def test_a_seed_fixes_the_head(tmp_path):
    from transformers import ElectraForPreTraining

    bert().save_pretrained(tmp_path)
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = load_electra(ElectraForPreTraining, str(tmp_path), key="model.name_or_path")
        heads.append(model.discriminator_predictions.dense.weight)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_every_tensor_but_the_poolers_is_taken():
    model = bert()
    _, state = as_electra(model)
    names = {f"electra.{name}" for name, _ in model.named_parameters() if "pooler" not in name}
    assert state.keys() == names and len(names) > 40
