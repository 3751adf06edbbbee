"""What is written is what 🤗 Transformers' own search writes for each source alone."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from electralab.models import writing
from electralab.models.generation import set_generation, target_logits
from electralab.models.writing import write
from tests.models import test_generation

# So few pieces that a text ends now and then.
SIZES = {**test_generation.SIZES, "vocab_size": 12}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
T5 |= {name: SIZES[name] for name in SIZES if name.endswith("_id") or name == "vocab_size"}
FAMILIES = {
    "marian": lambda: MarianMTModel(MarianConfig(**SIZES, init_std=1.0)),
    "mbart": lambda: MBartForConditionalGeneration(MBartConfig(**SIZES, init_std=1.0)),
    "m2m100": lambda: M2M100ForConditionalGeneration(M2M100Config(**SIZES, init_std=1.0)),
    "t5": lambda: T5ForConditionalGeneration(T5Config(**T5, initializer_factor=8.0)),
}
LONGEST = 12


def build(family: str, **forced):
    torch.manual_seed(3)
    model = FAMILIES[family]().double().eval()
    set_generation(model, max_new_tokens=LONGEST, num_beams=4, **forced)
    return model


def sources(count: int = 24) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    lengths = torch.randint(1, 9, (count,))
    mask = (torch.arange(8)[None] < lengths[:, None]).long()
    ids = torch.randint(2, 12, mask.shape) * mask
    ids[torch.arange(count), lengths - 1] = 1
    return {"input_ids": ids, "attention_mask": mask}


def texts(ids: torch.Tensor) -> list[list[int]]:
    """Returns what stands before the end of each."""
    found = []
    for row in ids.tolist():
        row = row[: row.index(1)] if 1 in row else row
        found.append(row + [0] * (LONGEST - len(row)))
    return found


def alone(model, inputs, **how) -> list[list[int]]:
    rows = []
    for ids, mask in zip(*inputs.values(), strict=True):
        real = mask.bool()
        one = {"input_ids": ids[real][None], "attention_mask": mask[real][None]}
        rows += texts(model.generate(**one, **how)[:, 1:])
    return rows


@pytest.mark.parametrize("beams", [1, 2, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_texts_are_those_of_each_source_alone(family, beams, monkeypatch):
    model, inputs = build(family), sources()
    how = {"num_beams": beams, "max_new_tokens": LONGEST}
    wanted = alone(model, inputs, **how)
    lengths = {sum(map(bool, row)) for row in wanted}
    assert beams < 4 or len(lengths) > 2  # so that texts leave at different steps
    for fewer in (0.0, 0.125, 2.0):  # at each that leaves, at some, never
        monkeypatch.setattr(writing, "_FEWER", fewer)
        assert texts(write(model, inputs, **how)) == wanted


def test_what_the_encoder_made_is_not_made_again(monkeypatch):
    model, inputs = build("marian"), sources()
    how = {"num_beams": 4, "max_new_tokens": LONGEST}
    wanted = write(model, inputs, **how)
    batch = {**inputs, "labels": torch.full((24, 3), 5)}
    read = model(**batch).encoder_last_hidden_state
    logits = target_logits(model, batch)
    encoder = type(model.get_encoder())

    def refuse(self, *args, **kwargs):
        pytest.fail("the encoder was asked again")

    monkeypatch.setattr(encoder, "forward", refuse)
    assert torch.equal(write(model, inputs, read=read, **how), wanted)
    assert logits.shape == (24, 3, 12)


def test_a_text_begins_as_it_is_forced_to():
    model, inputs = build("m2m100", forced_bos_token_id=7), sources()
    how = {"num_beams": 3, "max_new_tokens": LONGEST}
    found = texts(write(model, inputs, **how))
    assert found == alone(model, inputs, **how)
    assert all(row[0] == 7 for row in found)


def test_a_batch_shrinks_as_texts_leave(monkeypatch):
    model, inputs, seen = build("marian"), sources(), []
    inner = type(model.get_decoder()).forward

    def forward(self, *args, **kwargs):
        seen.append(len(kwargs["encoder_hidden_states"]))
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(type(model.get_decoder()), "forward", forward)
    write(model, inputs, num_beams=2, max_new_tokens=LONGEST)
    assert seen[0] == 48 and seen[-1] < 48 and seen == sorted(seen, reverse=True)
