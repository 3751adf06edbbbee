"""Texts of one row, kept apart: each as if it were alone, whatever stands beside it."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.attention import flex_attention
from transformers import (
    AutoModelForMaskedLM,
    MobileBertConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)
from transformers.integrations import flex_attention as of_transformers

from electralab.errors import UserError
from electralab.models.attention import choose_attention, require_apart
from electralab.models.fill import fill_logits
from electralab.models.padded import PaddedRows
from electralab.models.rtd import RtdPair, RtdPairConfig
from tests.models.conftest import PAD, electra, make_collator, make_examples, make_pair
from tests.models.test_fill import CONFIGS, SIZES
from tests.models.test_mlm_masking import make_collator as make_mlm_collator
from tests.models.test_rtd import slow_step

WIDTH = 32
TEXTS = ([9, 5, 7, 2], [30], [1, 2, 3])  # tokens of the texts of a row, without special ones
ABLE = {name: CONFIGS[name] for name in ("bert", "electra")}
ABLE["roberta"] = RobertaConfig(**(SIZES | {"pad_token_id": 1}))  # positions begin at 2
NARROW = SIZES | {"embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16}


def packed(texts=TEXTS, *, epoch: int = 0, seed: int = 0) -> list[dict]:
    """Rows of several texts, as `TokenBlocks` gives them."""
    rows = []
    for number, lengths in enumerate(texts):
        parts = [example["input_ids"] for example in make_examples(lengths, seed=seed + number)]
        starts = np.cumsum([0, *map(len, parts[:-1])])
        rows.append({"input_ids": np.concatenate(parts), "starts": starts})
    return [row | {"epoch": epoch, "index": number} for number, row in enumerate(rows)]


def alone(row: dict) -> list[torch.Tensor]:
    """The texts of a row, each of shape ``(1, tokens)``."""
    parts = np.split(row["input_ids"], row["starts"][1:])
    return [torch.as_tensor(part)[None] for part in parts]


@pytest.fixture(params=["eager", "sdpa", "flex_attention"])
def kind(request, monkeypatch) -> str:
    # What is compiled for a CPU knows neither float64 nor gradients; the plain one is the same.
    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(
        of_transformers,
        "compile_friendly_flex_attention",
        lambda query, key, value, training=False, **how: flex_attention.flex_attention(
            query, key, value, **how
        ),
    )
    return request.param


@pytest.mark.parametrize("side", ["right", "left"])
def test_each_token_is_told_its_text_and_its_place_there(side):
    rows = PaddedRows.of(packed(), pad_id=PAD, padding_side=side, width=WIDTH)
    marks = rows.marks()
    for row, example in enumerate(packed()):
        texts = [len(text[0]) for text in alone(example)]
        segments = [number + 1 for number, length in enumerate(texts) for _ in range(length)]
        places = [place for length in texts for place in range(length)]
        pads = [0] * (WIDTH - len(segments))
        for name, real in (
            ("segments", segments),
            ("position_ids", places),
            ("attention_mask", [1] * len(places)),
        ):
            found = marks[name][row].tolist()
            assert found == (real + pads if side == "right" else pads + real), name


def test_a_batch_has_one_shape_and_the_same_names_whatever_its_rows():
    for collate in (make_collator(), make_mlm_collator()):
        batches = [collate(packed(texts)) for texts in ([[30]], [[1], [2]], TEXTS)]
        assert len({tuple(batch) for batch in batches}) == 1
        assert {batch["input_ids"].shape[1] for batch in batches} == {WIDTH}
        assert len({batch["positions"].shape[1] for batch in batches}) == 1


@pytest.mark.parametrize("name", ABLE)
def test_a_text_reads_as_if_it_were_alone(name, kind):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(ABLE[name]).double().eval()
    choose_attention(model, kind, apart=True)
    batch = PaddedRows.of(packed(), pad_id=PAD, padding_side="right", width=WIDTH)
    marks = {key: torch.as_tensor(value) for key, value in batch.marks().items()}
    every = torch.arange(WIDTH).expand(len(TEXTS), -1)
    with torch.no_grad():
        found = fill_logits(model, torch.as_tensor(batch.input_ids), every, **marks)
        for row, example in enumerate(packed()):
            texts = alone(example)
            wanted = torch.cat([model(input_ids=text).logits[0] for text in texts])
            torch.testing.assert_close(found[row, : len(wanted)], wanted, rtol=1e-8, atol=1e-10)


def test_a_pair_judges_a_text_as_if_it_were_alone(kind):
    pair = make_pair().double().eval()
    choose_attention(pair, kind, apart=True)
    batch = make_collator()(packed())
    marks = {name: batch[name] for name in ("attention_mask", "segments", "position_ids")}
    with torch.no_grad():
        doubts = pair.doubt_logits(batch["input_ids"], **marks)
        every = torch.arange(WIDTH).expand(len(TEXTS), -1)
        filled = pair.fill_logits(batch["input_ids"], every, **marks)
        for row, example in enumerate(packed()):
            texts = alone(example)
            for found, network in ((doubts, pair.discriminator), (filled, pair.generator)):
                wanted = torch.cat([network(text).logits[0] for text in texts])
                torch.testing.assert_close(found[row, : len(wanted)], wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_step_of_a_pair_is_that_of_its_texts_alone(attention):
    """Loss and gradients, against the step written out token by token."""
    pair = make_pair().double().eval()
    choose_attention(pair, attention, apart=True)
    batch = make_collator()(packed())
    out = pair(**batch)
    out.loss.backward()
    gradients = {name: p.grad.clone() for name, p in pair.named_parameters()}
    pair.zero_grad()
    texts, parts = [], {name: [] for name in ("positions", "chosen", "uniforms", "masked_ids")}
    for row, example in enumerate(packed()):
        ends = [*example["starts"][1:], len(example["input_ids"])]
        for start, end in zip(example["starts"], ends, strict=True):
            texts.append({"input_ids": example["input_ids"][start:end]})
            inside = (batch["positions"][row] >= start) & (batch["positions"][row] < end)
            parts["positions"].append(batch["positions"][row] - start)
            parts["chosen"].append(batch["chosen"][row] & inside)
            parts["uniforms"].append(batch["uniforms"][row])
            parts["masked_ids"].append(batch["masked_ids"][row].roll(-int(start)))
    alike = {name: torch.stack(values) for name, values in parts.items()}
    loss, labels, _ = slow_step(pair, texts, alike, pair.config)
    loss.backward()
    assert out.replaced[batch["attention_mask"].bool()].double().tolist() == labels
    torch.testing.assert_close(out.loss, loss, rtol=1e-9, atol=0)
    for name, parameter in pair.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-8, atol=1e-12, msg=name)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ABLE)
def test_gradients_of_masked_language_modelling_are_those_of_texts_alone(name, attention):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(ABLE[name]).double().eval()
    choose_attention(model, attention, apart=True)
    batch = make_mlm_collator()(packed())
    marks = {key: batch[key] for key in ("attention_mask", "segments", "position_ids")}
    filled = fill_logits(model, batch["input_ids"], batch["positions"], **marks)
    (filled.logsumexp(-1) * batch["chosen"]).sum().backward()
    found = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    for row, example in enumerate(packed()):
        places = batch["positions"][row][batch["chosen"][row]]
        read = batch["input_ids"][row, : len(example["input_ids"])]
        logits = torch.cat(
            [model(input_ids=ids[None]).logits[0] for ids in read.split(_sizes(example))]
        )
        logits[places].logsumexp(-1).sum().backward()
    assert len(found) > 10
    for key, parameter in model.named_parameters():
        if key in found:
            torch.testing.assert_close(found[key], parameter.grad, rtol=1e-8, atol=1e-10, msg=key)


def _sizes(example: dict) -> list[int]:
    return [text.shape[1] for text in alone(example)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_another_text_beside_it_changes_not_a_bit(attention):
    pair = make_pair().double().eval()
    choose_attention(pair, attention, apart=True)
    batch = make_collator()(packed())
    other = batch["input_ids"].clone()
    changed = batch["segments"] == 2
    other[changed] = other[changed].flip(0)
    assert not torch.equal(other, batch["input_ids"])
    marks = {name: batch[name] for name in ("attention_mask", "segments", "position_ids")}
    one, two = (pair.doubt_logits(ids, **marks) for ids in (batch["input_ids"], other))
    assert torch.equal(one[~changed], two[~changed])
    assert not torch.equal(one[changed], two[changed])


WINDOW = ModernBertConfig(**(CONFIGS["modernbert"].to_dict() | {"local_attention": 16}))
UNABLE = {
    "another mask": CONFIGS["deberta"],
    "neighbours": MobileBertConfig(**NARROW),  # of each token go into its embedding
    "no positions": MPNetConfig(**SIZES),
    "a window": WINDOW,  # which a mask of our own would take away
}


@pytest.mark.parametrize("name", [*ABLE, "distilbert", "modernbert", *UNABLE])
def test_a_model_that_would_mix_texts_is_refused(name):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config((CONFIGS | ABLE | UNABLE)[name]).train()
    if name not in UNABLE:
        require_apart(model, range(10, 18), max_length=40)
    else:
        with pytest.raises(UserError, match=r"^`data.packing` must be concat or none for"):
            require_apart(model, range(10, 18), max_length=40)
    assert model.training


def test_what_flex_attention_would_be_compiled_for_is_tried_without_a_compiler(monkeypatch):
    def compiled(*_, **__):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(of_transformers, "compile_friendly_flex_attention", compiled)
    model = AutoModelForMaskedLM.from_config(copy.deepcopy(ABLE["bert"]))
    model.set_attn_implementation("flex_attention")
    require_apart(model, range(10, 18), max_length=40)
    assert model.config._attn_implementation == "flex_attention"


@pytest.mark.parametrize(
    ("device", "apart", "changes", "wanted", "chosen"),
    [
        ("cuda", True, {}, None, "flex_attention"),
        ("cuda", True, {}, "sdpa", "sdpa"),
        ("cuda", False, {}, None, None),
        ("cpu", True, {}, None, None),
        ("cuda", True, {"attention_probs_dropout_prob": 0.1}, None, None),  # which it lacks
        ("cuda", True, {"num_attention_heads": 4}, None, None),  # heads too narrow for it
    ],
)
def test_on_a_gpu_texts_are_kept_apart_by_flex_attention(
    monkeypatch, device, apart, changes, wanted, chosen
):
    here = SimpleNamespace(device=SimpleNamespace(type=device))
    monkeypatch.setattr("electralab.models.attention.PartialState", lambda: here)
    names = []
    monkeypatch.setattr(
        "electralab.models.attention.set_attention", lambda model, name: names.append(name)
    )
    parts = {"generator": electra(32, **changes), "discriminator": electra(32)}
    choose_attention(RtdPair(RtdPairConfig(**parts)), wanted, apart=apart)
    assert names == ([chosen] if chosen else [])
