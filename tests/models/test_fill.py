"""Logits at the chosen positions: equal to those of the whole row, and no others are computed."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    RobertaConfig,
)

from electralab.models.fill import fill_logits
from tests.models.conftest import VOCAB, electra

SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 42,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
CONFIGS = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES),
    "electra": electra(16),
    "distilbert": DistilBertConfig(
        **{"vocab_size": VOCAB, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
        initializer_range=0.3,
    ),
    "deberta": DebertaV2Config(**SIZES, relative_attention=True, position_biased_input=False),
    "modernbert": ModernBertConfig(
        **SIZES, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3
    ),
}
K = 3


def make(name):
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(CONFIGS[name]).double().eval()
    ids = torch.randint(5, VOCAB, (4, 20))
    mask = torch.ones_like(ids)
    mask[1, 15:], ids[1, 15:] = 0, 0
    positions = torch.stack([torch.randperm(15)[:K] for _ in range(4)])
    return model, ids, mask, positions


def whole(model, ids, mask, positions):
    logits = model(input_ids=ids, attention_mask=mask).logits
    return logits.gather(1, positions[..., None].expand(-1, -1, VOCAB))


@pytest.mark.parametrize("name", CONFIGS)
def test_they_equal_the_logits_of_whole_rows(name):
    model, ids, mask, positions = make(name)
    found = fill_logits(model, ids, positions, mask)
    torch.testing.assert_close(found, whole(model, ids, mask, positions), rtol=1e-9, atol=1e-12)
    full = fill_logits(model, ids, positions)
    torch.testing.assert_close(full, whole(model, ids, None, positions), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_equal_those_of_whole_rows(name):
    model, ids, mask, positions = make(name)
    gradients = []
    for logits in (fill_logits, whole):
        args = (ids, positions, mask) if logits is fill_logits else (ids, mask, positions)
        model.zero_grad()
        logits(model, *args).logsumexp(-1).sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_vocabulary_is_computed_at_k_positions_only(name):
    """Nothing as large as the logits of whole rows is ever made."""
    model, ids, mask, positions = make(name)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor) and made.shape[-1:] == (VOCAB,):
                sizes.append(made.numel() // VOCAB)
            return made

    with Watch(), torch.no_grad():
        fill_logits(model, ids, positions, mask)
    assert max(size for size in sizes if size != 16) == 4 * K  # 16: a transposed table
    assert not model.base_model._forward_hooks


def test_a_model_without_an_encoder_of_its_own_is_read_whole():
    model, ids, mask, positions = make("bert")
    model.base_model_prefix = "nothing"
    assert model.base_model is model
    torch.testing.assert_close(
        fill_logits(model, ids, positions, mask), whole(model, ids, mask, positions)
    )


def test_the_hook_is_gone_after_a_failure():
    model, ids, _, positions = make("bert")
    with pytest.raises(IndexError):
        fill_logits(model, ids + VOCAB, positions)
    assert not model.base_model._forward_hooks


def test_a_wrapped_model_gives_the_same(tmp_path):
    model, ids, mask, positions = make("electra")
    wanted = fill_logits(model, ids, positions, mask)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = DistributedDataParallel(model)
        found = fill_logits(wrapped, ids, positions, mask)
        assert found.shape == (4, K, VOCAB) and torch.equal(found, wanted)
        found.sum().backward()
    finally:
        dist.destroy_process_group()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fill_logits(model.float(), ids, positions, mask).shape == (4, K, VOCAB)
