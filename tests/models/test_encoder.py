"""The encoder that leaves out what nobody looks at, against 🤗's own over all positions."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import ElectraModel

from electralab.models.encoder import encode, pick

from .conftest import VOCAB, electra

LENGTH, K = 12, 4


def make_encoder(attention: str = "eager", **changes) -> ElectraModel:
    torch.manual_seed(0)
    config = electra(16, attn_implementation=attention, **changes)
    return ElectraModel(config).double().train()


def rows(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(5, VOCAB, (batch, LENGTH), generator=draw)
    positions = torch.stack([torch.randperm(LENGTH, generator=draw)[:K] for _ in range(batch)])
    return ids, positions


def gradients(encoder: ElectraModel, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
    encoder.zero_grad()
    (hidden * torch.arange(hidden.shape[-1])).square().sum().backward()
    return {
        name: p.grad.clone() if p.grad is not None else torch.zeros_like(p)
        for name, p in encoder.named_parameters()
    }


def assert_alike(encoder: ElectraModel, found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Asserts equal outputs and equal gradients."""
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    fast, slow = gradients(encoder, found), gradients(encoder, wanted)
    for name, gradient in slow.items():
        torch.testing.assert_close(fast[name], gradient, rtol=1e-8, atol=1e-8, msg=name)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("pads", [False, True])
@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("width", [12, 16])  # with and without a projection of the embeddings
def test_it_is_the_whole_encoder_at_some_positions(attention, pads, checkpointed, width):
    encoder = make_encoder(attention, embedding_size=width)
    ids, positions = rows()
    mask = None
    if pads:
        mask = (torch.arange(LENGTH) < torch.tensor([[LENGTH], [7], [5]])).long()
        positions %= 5
    wanted = pick(encoder(ids, attention_mask=mask).last_hidden_state, positions)
    if checkpointed:
        encoder.gradient_checkpointing_enable()
    assert_alike(encoder, encode(encoder, ids, positions=positions, attention_mask=mask), wanted)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_several_texts_of_a_row_are_as_each_alone(attention):
    encoder = make_encoder(attention)
    ids, _ = rows(1)
    lengths = (5, 4)  # and three pads
    segments = torch.tensor([[1] * 5 + [2] * 4 + [0] * 3])
    places = torch.tensor([[*range(5), *range(4), *range(3)]])
    positions = torch.tensor([[6, 1, 8, 4]])
    alone = [
        encoder(part).last_hidden_state for part in ids[:, : sum(lengths)].split(lengths, dim=1)
    ]
    wanted = torch.cat(alone, 1)
    found = encode(encoder, ids, segments=segments, position_ids=places)
    torch.testing.assert_close(found[:, : sum(lengths)], wanted, rtol=1e-10, atol=1e-12)
    found = encode(encoder, ids, positions=positions, segments=segments, position_ids=places)
    assert_alike(encoder, found, pick(wanted, positions))


@pytest.mark.parametrize("apart", [False, True])
def test_a_kernel_with_a_mask_of_its_own_form_is_left_out_of_the_last_layer(apart):
    encoder = make_encoder("flex_attention", num_hidden_layers=1)
    ids, positions = rows()
    plain = copy.deepcopy(encoder)
    plain.set_attn_implementation("eager")
    texts = torch.tensor([1, 2, 2]).repeat_interleave(4).expand(3, -1)
    masks = {"segments": texts} if apart else {"attention_mask": (texts == 1).long()}
    with torch.no_grad():
        found = encode(encoder, ids, positions=positions, **masks)
        wanted = pick(encode(plain, ids, **masks), positions)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_dropout_falls_where_the_checkpointed_layer_is_computed_again():
    encoder = make_encoder(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
    ids, positions = rows()
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            encoder.gradient_checkpointing_enable()
        torch.manual_seed(3)
        found.append(gradients(encoder, encode(encoder, ids, positions=positions)))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-10, atol=1e-12, msg=name)
    torch.manual_seed(3)
    one, other = (encode(encoder, ids, positions=positions) for _ in range(2))
    assert not torch.equal(one, other)


def test_the_last_layer_is_computed_at_the_positions_only():
    encoder = make_encoder()
    ids, positions = rows()
    seen: dict[str, int] = {}
    for name, module in encoder.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(
                lambda _, given, __, name=name: seen.update({name: given[0].shape[1]})
            )
    encode(encoder, ids, positions=positions)
    last = {name.removeprefix("encoder.layer.1."): n for name, n in seen.items() if ".1." in name}
    assert last == {
        "attention.self.query": K,
        "attention.self.key": LENGTH,
        "attention.self.value": LENGTH,
        "attention.output.dense": K,
        "intermediate.dense": K,
        "output.dense": K,
    }
    assert set(n for name, n in seen.items() if ".0." in name) == {LENGTH}
