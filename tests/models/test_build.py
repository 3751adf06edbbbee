"""Pairs from checkpoints: what is joined, what is shared, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    RobertaConfig,
    RobertaModel,
)

from electralab.errors import UserError
from electralab.models.build import generator_for, load_pair, set_attention
from electralab.models.rtd import RtdPair
from tests.models.conftest import VOCAB, electra, make_pair

IDS = torch.tensor([[2, 7, 50, 31, 3]])


def save(
    folder: Path,
    cls: type,
    *,
    hidden: int = 16,
    seed: int = 0,
    tables: Path | None = None,
    **changes,
) -> Path:
    """Saves a small checkpoint, with the embedding tables of another one if that is named."""
    torch.manual_seed(seed)
    model = cls(electra(hidden, **changes))
    if tables:
        other = ElectraForPreTraining.from_pretrained(tables).electra.embeddings
        model.electra.embeddings.load_state_dict(other.state_dict())
    model.save_pretrained(folder)
    return folder


def join(disc: Path | str, gen: Path | str | None = None, **changes) -> RtdPair:
    settings = {
        "generator": str(gen) if gen else None,
        "generator_sizes": {},
        "revision": None,
        "share_embeddings": None,
        "dropout": None,
    }
    return load_pair(str(disc), **(settings | changes)).eval()


def refusal(*arguments, **changes) -> str:
    with pytest.raises(UserError) as caught:
        join(*arguments, **changes)
    [line] = caught.value.problems
    assert "\n" not in line
    return line


@pytest.fixture
def disc(tmp_path) -> Path:
    return save(tmp_path / "disc", ElectraForPreTraining)


@pytest.fixture
def gen(tmp_path) -> Path:
    return save(tmp_path / "gen", ElectraForMaskedLM, hidden=8, seed=1)


@pytest.fixture
def fitting(tmp_path, disc) -> Path:
    """A generator with its discriminator's tables."""
    return save(tmp_path / "fitting", ElectraForMaskedLM, hidden=8, seed=1, tables=disc)


def outputs(disc: Path, gen: Path) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return (
            ElectraForPreTraining.from_pretrained(disc).eval()(IDS).logits,
            ElectraForMaskedLM.from_pretrained(gen).eval()(IDS).logits,
        )


def pair_outputs(pair: RtdPair) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return pair.doubt_logits(IDS), pair.generator(IDS).logits


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal but for the last bit, which depends on where in memory the weights lie."""
    return torch.allclose(one, other, rtol=1e-5, atol=1e-6)


def shares(pair: RtdPair) -> bool:
    one = pair.generator.electra.embeddings.word_embeddings.weight
    return one is pair.discriminator.electra.embeddings.word_embeddings.weight


def test_two_checkpoints_keep_their_outputs_and_their_own_tables(disc, gen):
    pair = join(disc, gen)
    assert pair.config.share_embeddings == "none" and not shares(pair)
    for found, wanted in zip(pair_outputs(pair), outputs(disc, gen), strict=True):
        assert close(found, wanted)


def test_equal_tables_are_shared_and_change_no_output(disc, fitting):
    pair = join(disc, fitting)
    assert pair.config.share_embeddings == "all" and shares(pair)
    for found, wanted in zip(pair_outputs(pair), outputs(disc, fitting), strict=True):
        assert close(found, wanted)


def test_equal_tables_can_stay_apart(disc, fitting):
    assert not shares(join(disc, fitting, share_embeddings="none"))


def test_sharing_against_the_checkpoints_takes_the_discriminators_tables_and_says_so(
    disc, gen, caplog
):
    with caplog.at_level(logging.WARNING):
        pair = join(disc, gen, share_embeddings="all")
    assert shares(pair) and "are replaced by them" in caplog.text
    assert close(pair_outputs(pair)[0], outputs(disc, gen)[0])


def test_a_fresh_generator_is_a_quarter_as_wide_and_shares(tmp_path, caplog):
    disc = save(tmp_path / "d", ElectraForPreTraining, hidden=32, num_attention_heads=4)
    with caplog.at_level(logging.WARNING):
        pair = join(disc)
    config = pair.config.generator
    assert (config.hidden_size, config.num_attention_heads, config.intermediate_size) == (8, 1, 32)
    assert config.num_hidden_layers == 2 and shares(pair)
    assert "a fresh one, 8 wide" in caplog.text
    loaded = ElectraForPreTraining.from_pretrained(disc).eval()
    with torch.no_grad():
        assert close(pair.doubt_logits(IDS), loaded(IDS).logits)


def test_a_fresh_generator_has_the_sizes_that_are_given():
    sizes = {"hidden_size": 6, "num_hidden_layers": 1, "num_attention_heads": 3}
    found = generator_for(electra(16), {**sizes, "intermediate_size": None})
    assert {name: getattr(found, name) for name in sizes} == sizes
    assert found.intermediate_size == 24 and found.vocab_size == VOCAB


def test_dropout_is_the_checkpoints_own_unless_it_is_given(tmp_path, gen):
    disc = save(tmp_path / "d", ElectraForPreTraining, hidden_dropout_prob=0.3)
    assert join(disc, gen).config.discriminator.hidden_dropout_prob == 0.3
    pair = join(disc, gen, dropout=0.2)
    assert {module.p for module in pair.modules() if isinstance(module, torch.nn.Dropout)} == {0.2}


def test_a_run_gives_its_halves(tmp_path, disc):
    run = tmp_path / "run"
    trained = make_pair()
    trained.save_pretrained(run)
    with torch.no_grad():
        wanted = trained.eval().generator(IDS).logits
    assert close(pair_outputs(join(disc, run))[1], wanted)
    both = join(run, run)
    assert both.config.share_embeddings == "all"
    assert close(pair_outputs(both)[1], wanted)
    assert close(pair_outputs(both)[0], trained.doubt_logits(IDS))


def test_hub_names_are_found_in_the_cache_at_their_revision(tmp_path, disc, monkeypatch):
    from huggingface_hub import constants

    commit = "1" * 40
    cached = tmp_path / "cache" / "models--me--electra"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "v1").write_text(commit)
    (cached / "snapshots").mkdir()
    disc.rename(cached / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    wanted = ElectraForPreTraining.from_pretrained(cached / "snapshots" / commit).eval()
    with torch.no_grad():
        pair = join("me/electra", revision="v1")
        assert close(pair.doubt_logits(IDS), wanted(IDS).logits)
    assert "`model.name_or_path` must be a hub name" in refusal("me/electra", revision="v2")


@pytest.mark.parametrize("field", ["vocab_size", "embedding_size"])
def test_halves_that_read_other_tokens_are_refused(tmp_path, disc, field):
    other = save(tmp_path / "other", ElectraForMaskedLM, hidden=8, **{field: 14})
    assert f"must have the discriminator's `{field}`" in refusal(disc, other)


def test_tables_of_other_shapes_cannot_be_shared(tmp_path, disc):
    other = save(tmp_path / "other", ElectraForMaskedLM, hidden=8, max_position_embeddings=20)
    assert not shares(join(disc, other))
    line = refusal(disc, other, share_embeddings="all")
    assert "`max_position_embeddings`, 20, is not the discriminator's, 40" in line


@pytest.mark.parametrize(("hidden", "warned"), [(16, True), (8, False)])
def test_a_generator_as_wide_as_its_discriminator_is_warned_of(
    tmp_path, disc, caplog, hidden, warned
):
    other = save(tmp_path / "other", ElectraForMaskedLM, hidden=hidden)
    with caplog.at_level(logging.WARNING):
        join(disc, other)
    assert ("as wide as its discriminator (16)" in caplog.text) is warned


def test_what_is_no_electra_is_refused(tmp_path, disc, gen):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    for name, cls, config in (("r", RobertaModel, RobertaConfig), ("b", BertModel, BertConfig)):
        model = cls(config(vocab_size=VOCAB, intermediate_size=8, **sizes))
        model.save_pretrained(tmp_path / name)
    assert "ELECTRA or a BERT" in refusal(tmp_path / "r", gen)
    assert refusal(tmp_path / "r", gen).endswith("is a 'roberta' instead.")
    assert refusal(disc, tmp_path / "b").endswith("is a 'bert' instead.")


def test_a_missing_layer_is_refused_and_a_missing_head_is_said(tmp_path, disc, gen, caplog):
    file = disc / "model.safetensors"
    tensors = load_file(file)
    body = {name: t for name, t in tensors.items() if name.startswith("electra.")}
    save_file(body, file, metadata={"format": "pt"})
    with caplog.at_level(logging.WARNING):
        join(disc, gen)
    assert "discriminator_predictions" in caplog.text and "random numbers" in caplog.text
    lost = "electra.encoder.layer.1.output.dense.weight"
    save_file({n: t for n, t in tensors.items() if n != lost}, file, metadata={"format": "pt"})
    assert lost in refusal(disc, gen)


def test_weights_that_do_not_fit_their_config_are_refused(disc, gen):
    config = json.loads((disc / "config.json").read_text())
    (disc / "config.json").write_text(json.dumps({**config, "intermediate_size": 20}))
    assert "has the shape [32], and [20] by its config.json" in refusal(disc, gen)


@pytest.mark.parametrize("damage", ["cut", "not safetensors", "gone"])
def test_damaged_weights_are_one_line(disc, gen, damage):
    file = disc / "model.safetensors"
    content = {"cut": file.read_bytes()[:-40], "not safetensors": b"<!DOCTYPE html>" * 9}
    file.unlink()
    if damage in content:
        file.write_bytes(content[damage])
    assert refusal(disc, gen).startswith("`model.name_or_path` must hold weights in safetensors")


def test_an_attention_that_is_not_installed_is_refused():
    with pytest.raises(UserError) as caught:
        set_attention(make_pair(), "flash_attention_2")
    [line] = caught.value.problems
    assert line.startswith("`model.attention` must be one that this machine has")
