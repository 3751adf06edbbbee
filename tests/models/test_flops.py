"""The FLOPs of a batch: against those that torch counts, and what counts nothing."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    ElectraForMaskedLM,
    MarianConfig,
    MarianMTModel,
    T5Config,
    T5ForConditionalGeneration,
)

from electralab.models.fill import fill_logits
from electralab.models.flops import encoder_costs, pair_costs, translation_costs
from electralab.models.generation import target_logits
from electralab.models.rtd import RtdPair, RtdPairConfig
from tests.models.conftest import VOCAB, electra

ROWS, LENGTH, CHOSEN = 3, 32, 8
EAGER = {"attn_implementation": "eager"}  # whose products torch counts one by one


def counted(compute) -> int:
    """Returns the FLOPs that torch sees, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        compute().backward()
    return counter.get_total_flops()


def ids(rows: int = ROWS, length: int = LENGTH) -> torch.Tensor:
    return torch.randint(5, VOCAB, (rows, length), generator=torch.Generator().manual_seed(0))


def rtd_batch() -> dict[str, torch.Tensor]:
    batch = {"input_ids": ids(), "masked_ids": ids()}
    batch["positions"] = torch.arange(1, 1 + CHOSEN).repeat(ROWS, 1)
    batch["chosen"] = torch.ones(ROWS, CHOSEN, dtype=torch.bool)
    batch["uniforms"] = torch.full((ROWS, CHOSEN), 0.5)
    return batch


@pytest.mark.parametrize("embedding", [12, 64])
def test_of_a_pair(embedding):
    """In so narrow a generator its last layer is little, wherever it is computed."""
    parts = {
        "generator": electra(16, num_hidden_layers=6, embedding_size=embedding),
        "discriminator": electra(64, num_hidden_layers=4, embedding_size=embedding),
    }
    pair = RtdPair(RtdPairConfig(**parts))
    pair.set_attn_implementation("eager")
    batch = rtd_batch()
    costs = pair_costs(**parts)
    assert costs.of(batch) == pytest.approx(counted(lambda: pair(**batch).loss), rel=0.03)
    full = ROWS * LENGTH * costs.of_a_token(length=LENGTH, chosen=CHOSEN / LENGTH)
    assert costs.of(batch) == pytest.approx(full)


def test_of_masked_language_modelling():
    model = ElectraForMaskedLM._from_config(electra(64, embedding_size=24), **EAGER)
    batch = rtd_batch()
    found = counted(lambda: fill_logits(model, batch["input_ids"], batch["positions"]).sum())
    costs = encoder_costs(model, head="chosen")
    assert costs.of(batch) == pytest.approx(found)


def spared(layer, *, learns: bool) -> int:
    """Returns what torch counts of a last layer at all positions but the first, its looks at all.

    Of what is read, keys and values are needed; nothing else is.
    """
    states = torch.ones(ROWS, LENGTH - 1, 64, requires_grad=learns)
    wide = torch.ones(ROWS, LENGTH - 1, 128, requires_grad=learns)
    looks = [torch.ones(ROWS, LENGTH, 64, requires_grad=learns) for _ in range(3)]

    def compute() -> torch.Tensor:
        attention = layer.attention
        parts = [attention.self.query(states), attention.output.dense(states)]
        parts += [layer.intermediate.dense(states), layer.output.dense(wide)]
        query, key, value = looks
        parts.append(query @ key.mT @ value)
        total = sum(part.sum() for part in parts)
        return total if learns else total.detach().requires_grad_()

    return counted(compute)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("layers_again", [False, True], ids=["bert", "albert"])
def test_of_classification(layers_again, frozen):
    shape = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128}
    shape |= {"vocab_size": VOCAB, "num_hidden_layers": 3, "num_labels": 4}
    if layers_again:
        kind, config = AlbertForSequenceClassification, AlbertConfig(embedding_size=16, **shape)
    else:
        kind, config = BertForSequenceClassification, BertConfig(**shape)
    model = kind._from_config(config, **EAGER)
    model.base_model.requires_grad_(not frozen)
    batch = {"input_ids": ids(), "attention_mask": torch.ones(ROWS, LENGTH, dtype=torch.long)}
    found = counted(lambda: model(**batch).logits.sum())
    if not layers_again:
        found -= spared(model.bert.encoder.layer[-1], learns=not frozen)
    costs = encoder_costs(model, head="text")
    assert float(costs.of(batch)) == pytest.approx(found, rel=0.005)


def t5() -> T5ForConditionalGeneration:
    shape = {"d_model": 32, "d_kv": 24, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 3}
    config = T5Config(**shape, num_heads=2, vocab_size=VOCAB, decoder_start_token_id=0)
    return T5ForConditionalGeneration._from_config(config, **EAGER)


def marian() -> MarianMTModel:
    shape = {"encoder_layers": 2, "decoder_layers": 3, "vocab_size": VOCAB, "pad_token_id": 0}
    shape |= {"encoder_ffn_dim": 64, "decoder_ffn_dim": 48, "max_position_embeddings": 64}
    shape |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = MarianConfig(d_model=32, decoder_start_token_id=0, **shape)
    return MarianMTModel._from_config(config, **EAGER)


@pytest.mark.parametrize("build", [t5, marian])
def test_of_translation(build):
    model = build()
    batch = {"input_ids": ids(), "labels": ids(ROWS, 20)}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    found = counted(lambda: target_logits(model, batch).sum())
    assert float(translation_costs(model).of(batch)) == pytest.approx(found)


def test_pads_and_other_texts_of_a_row_count_nothing():
    """Rows padded together, or put into one row apart, cost what each of them costs alone."""
    costs = pair_costs(generator=electra(8), discriminator=electra(16))
    lengths = [5, 3, 8]
    alone = sum(
        costs.of({"input_ids": ids(1, length), "chosen": torch.ones(1, length // 3)})
        for length in lengths
    )
    chosen = torch.tensor([[1, 0], [1, 0], [1, 1]])
    mask = torch.tensor([[1] * length + [0] * (9 - length) for length in lengths])
    padded = {"input_ids": ids(3, 9), "attention_mask": mask, "chosen": chosen}
    row = torch.tensor([[n for n, length in enumerate(lengths, 1) for _ in range(length)] + [0]])
    packed = {"input_ids": ids(1, 17), "segments": row, "attention_mask": (row > 0).long()}
    packed["chosen"] = chosen.view(1, -1)
    assert float(costs.of(padded)) == float(costs.of(packed)) == pytest.approx(float(alone))
    longer = {**padded, "attention_mask": torch.ones_like(mask)}
    assert costs.of(longer) > costs.of(padded)


def test_pads_of_translations_count_nothing():
    model = marian()
    costs = translation_costs(model)

    def batch(read: list[int], written: list[int]) -> dict[str, torch.Tensor]:
        mask, labels = torch.zeros(len(read), 9).long(), torch.full((len(read), 9), -100)
        for row, (source, target) in enumerate(zip(read, written, strict=True)):
            mask[row, :source], labels[row, :target] = 1, 7
        return {"input_ids": ids(len(read), 9), "attention_mask": mask, "labels": labels}

    alone = float(costs.of(batch([4], [7]))) + float(costs.of(batch([9], [2])))
    assert float(costs.of(batch([4, 9], [7, 2]))) == pytest.approx(alone)
