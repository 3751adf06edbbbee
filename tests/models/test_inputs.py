"""A model is given the types of a pair only where it knows two."""

from __future__ import annotations

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from electralab.models.inputs import input_names
from tests.tasks.classifying import tokenizer

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SIZES |= {"vocab_size": 300, "intermediate_size": 24}


def test_types_go_to_models_that_have_two():
    bert = BertForSequenceClassification(BertConfig(**SIZES))
    names = input_names(bert, tokenizer())
    assert set(names) == {"input_ids", "attention_mask", "token_type_ids"}


def test_a_pair_can_be_given_to_a_roberta_with_the_tokenizer_of_a_bert():
    """As `klue/roberta-base` comes: its one type has no row 1 in the table."""
    config = RobertaConfig(**SIZES, type_vocab_size=1, max_position_embeddings=40)
    model = RobertaForSequenceClassification(config).eval()
    made = tokenizer()
    batch = made("the path", "of a file", return_tensors="pt")
    assert batch["token_type_ids"].max() == 1
    names = input_names(model, made)
    assert set(names) == {"input_ids", "attention_mask"}
    assert torch.isfinite(model(**{name: batch[name] for name in names}).logits).all()


def test_a_model_without_the_argument_is_not_given_it():
    config = DistilBertConfig(vocab_size=300, dim=16, n_layers=1, n_heads=2, hidden_dim=24)
    names = input_names(DistilBertForSequenceClassification(config), tokenizer())
    assert set(names) == {"input_ids", "attention_mask"}
