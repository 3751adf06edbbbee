"""Any architecture for a task: what is taken over, what is fresh, and what is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    M2M100Config,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    ModernBertConfig,
    RobertaConfig,
    T5Config,
    T5EncoderModel,
    ViTConfig,
    ViTModel,
)

from electralab.errors import UserError
from electralab.models.networks import Network, check_fits, load_network
from tests.models.conftest import VOCAB, electra, make_pair

MLM, CLASSIFY, SEQ2SEQ = (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForSeq2SeqLM,
)
IDS = torch.tensor([[2, 7, 50, 31, 3]])
SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 42,
}
IDENTITY = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
ENCODERS = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES, **IDENTITY),
    "electra": electra(16),
    "deberta-v2": DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "distilbert": DistilBertConfig(vocab_size=VOCAB, dim=16, hidden_dim=24, n_layers=2, n_heads=2),
    "modernbert": ModernBertConfig(**SIZES, **IDENTITY, cls_token_id=2, sep_token_id=3),
}
HALVES = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "vocab_size": VOCAB, "max_position_embeddings": 40, **IDENTITY,
}  # fmt: skip
TRANSLATORS = {
    "marian": MarianConfig(**HALVES, decoder_start_token_id=1, forced_eos_token_id=2),
    "mbart": MBartConfig(**HALVES),
    "m2m_100": M2M100Config(**HALVES),
    "t5": T5Config(vocab_size=VOCAB, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2),
}


def save(folder: Path, model: nn.Module) -> str:
    model.save_pretrained(folder)
    return str(folder)


def edit(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def make(cls: type, config: object) -> nn.Module:
    torch.manual_seed(0)
    return cls.from_config(config) if hasattr(cls, "from_config") else cls(config)


def load(cls: type, folder: Path | str, *, seed: int = 0, **options) -> Network:
    torch.manual_seed(seed)
    network = load_network(cls, str(folder), **options)
    assert {weight.dtype for weight in network.model.parameters()} == {torch.float32}
    network.model.eval()
    return network


def refusal(cls: type, folder: Path | str, **options) -> str:
    with pytest.raises(UserError) as caught:
        load(cls, folder, **options)
    [line] = caught.value.problems
    assert "\n" not in line and line.startswith("`model.name_or_path`")
    return line


def outputs(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_bare_encoder_serves_classification_with_a_fresh_head(tmp_path, kind, caplog):
    encoder = make(AutoModel, ENCODERS[kind])
    folder = save(tmp_path / "m", encoder)
    with caplog.at_level(logging.WARNING, logger="electralab"):
        network = load(CLASSIFY, folder, id2label={0: "a", 1: "b", 2: "c"})
    assert [r for r in caplog.records if r.name.startswith("electralab")] == []
    assert network.fresh and network.labels == () and network.model.config.num_labels == 3
    assert torch.allclose(outputs(network.model.base_model), outputs(encoder), atol=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_masked_language_model_needs_nothing_fresh_and_gives_its_encoder(tmp_path, kind):
    whole = make(MLM, ENCODERS[kind])
    folder = save(tmp_path / "m", whole)
    assert load(MLM, folder).fresh == []
    network = load(CLASSIFY, folder, num_labels=2)
    assert torch.allclose(outputs(network.model.base_model), outputs(whole.base_model), atol=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_masked_language_model_without_its_head_is_said(tmp_path, kind, caplog):
    folder = save(tmp_path / "m", make(AutoModel, ENCODERS[kind]))
    with caplog.at_level(logging.WARNING, logger="electralab"):
        network = load(MLM, folder)
    assert f"{len(network.fresh)} tensors start from random numbers" in caplog.text
    tables = [module.weight for module in (network.model.get_input_embeddings(),)]
    assert network.model.get_output_embeddings().weight is tables[0]


@pytest.mark.parametrize("kind", TRANSLATORS)
def test_an_encoder_with_a_decoder_needs_nothing_fresh(tmp_path, kind):
    whole = make(SEQ2SEQ, TRANSLATORS[kind]).eval()
    network = load(SEQ2SEQ, save(tmp_path / "m", whole))
    assert network.fresh == []
    with torch.no_grad():
        one, other = (m(IDS, decoder_input_ids=IDS).logits for m in (network.model, whole))
    assert torch.allclose(one, other, atol=1e-6)


def test_a_seed_fixes_the_head_whatever_gives_the_encoder(tmp_path):
    pair = make_pair()
    run, part = save(tmp_path / "run", pair), save(tmp_path / "part", pair.discriminator.electra)
    weights = [
        load(CLASSIFY, folder, seed=seed, num_labels=3).model.classifier.out_proj.weight
        for folder, seed in ((run, 5), (part, 5), (run, 6))
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("share", ["all", "none"])
def test_a_pair_gives_its_discriminators_encoder_and_its_generator(tmp_path, share):
    pair = make_pair(share=share).eval()
    folder = save(tmp_path / "run", pair)
    encoder = load(CLASSIFY, folder, num_labels=3).model.electra
    assert torch.allclose(outputs(encoder), outputs(pair.discriminator.electra), atol=1e-6)
    generator = load(MLM, folder)
    assert generator.fresh == []
    with torch.no_grad():
        assert torch.allclose(generator.model(IDS).logits, pair.generator(IDS).logits, atol=1e-6)
    again = load(MLM, save(tmp_path / "again", generator.model))  # its tables are tied in the file
    assert again.fresh == []
    with torch.no_grad():
        assert torch.allclose(again.model(IDS).logits, pair.generator(IDS).logits, atol=1e-6)


def classifier(folder: Path, *labels: str) -> str:
    names = dict(enumerate(labels))
    config = BertConfig(**SIZES, id2label=names, label2id={v: k for k, v in names.items()})
    return save(folder, make(BertForSequenceClassification, config))


def test_a_classifier_is_able_and_names_its_classes(tmp_path):
    network = load(CLASSIFY, classifier(tmp_path / "m", "no", "yes"), id2label={0: "a", 1: "b"})
    assert network.fresh == [] and network.labels == ("no", "yes")
    assert network.model.config.id2label == {0: "a", 1: "b"}


def test_a_head_of_other_classes_is_drawn_anew_and_said(tmp_path, caplog):
    folder = classifier(tmp_path / "m", "no", "yes")
    with caplog.at_level(logging.WARNING, logger="electralab"):
        network = load(CLASSIFY, folder, num_labels=4)
    assert network.fresh == ["classifier.bias", "classifier.weight"]
    assert "tells 2 classes apart; a head for 4 starts from random numbers" in caplog.text
    assert network.model.classifier.weight.shape == (4, 16)
    assert network.model.classifier.weight.std() > 0.005  # not what was in memory by chance
    assert network.labels == ("no", "yes")


@pytest.mark.parametrize(
    ("kind", "cls"), [(kind, MLM) for kind in ENCODERS] + [(kind, SEQ2SEQ) for kind in TRANSLATORS]
)
def test_dropout_is_the_checkpoints_own_unless_it_is_given(tmp_path, kind, cls):
    config = (ENCODERS | TRANSLATORS)[kind]
    folder = save(tmp_path / "m", make(cls, config))

    def rates(**options) -> set[float]:
        model = load(cls, folder, **options).model
        modules = {module.p for module in model.modules() if isinstance(module, nn.Dropout)}
        fields = ("dropout", "attention_dropout", "attention_probs_dropout_prob")
        found = {getattr(model.config, name, None) for name in fields}
        return (modules | found) - {None}

    assert rates(dropout=0.3) <= {0.3}
    assert rates(dropout=0.0) <= {0.0}
    assert 0.3 not in rates()


@pytest.mark.parametrize(
    ("cls", "made", "kind", "wanted"),
    [
        (CLASSIFY, lambda: make(SEQ2SEQ, TRANSLATORS["t5"]), "t5", "an encoder, such as"),
        (CLASSIFY, lambda: make(SEQ2SEQ, TRANSLATORS["marian"]), "marian", "an encoder, such as"),
        (MLM, lambda: make(SEQ2SEQ, TRANSLATORS["mbart"]), "mbart", "that fills in masks"),
        (SEQ2SEQ, lambda: BertModel(ENCODERS["bert"]), "bert", "an encoder with a decoder"),
        (
            SEQ2SEQ,
            lambda: GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=16, n_layer=1, n_head=2)),
            *("gpt2", "an encoder with a decoder"),
        ),
        (
            MLM,
            lambda: ViTModel(
                ViTConfig(
                    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
                )
            ),
            *("vit", "that fills in masks"),
        ),
        (SEQ2SEQ, make_pair, "discriminator", "an encoder with a decoder"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path, cls, made, kind, wanted):
    line = refusal(cls, save(tmp_path / "m", made()))
    assert wanted in line and line.endswith(f"is a {kind!r} instead.")


def test_an_encoder_alone_cannot_translate(tmp_path):
    folder = save(tmp_path / "m", T5EncoderModel(TRANSLATORS["t5"]))
    assert refusal(SEQ2SEQ, folder).endswith("is a 't5' instead.")
    edit(tmp_path / "m", is_encoder_decoder=True)
    assert "it lacks" in (line := refusal(SEQ2SEQ, folder)) and "decoder.block.0" in line


@pytest.mark.parametrize("cls", [MLM, CLASSIFY])
def test_a_missing_layer_is_refused(tmp_path, cls):
    folder = save(tmp_path / "m", BertForMaskedLM(ENCODERS["bert"]))
    file = tmp_path / "m" / "model.safetensors"
    tensors = load_file(file)
    lost = "bert.encoder.layer.1.output.dense.weight"
    save_file({n: t for n, t in tensors.items() if n != lost}, file, metadata={"format": "pt"})
    assert f"it lacks 1 tensors, {lost}" in refusal(cls, folder)


@pytest.mark.parametrize("cls", [MLM, CLASSIFY])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"intermediate_size": 20}, "has the shape [24"),
        ({"vocab_size": 80}, f"has the shape [{VOCAB}"),
        ({"num_hidden_layers": 1}, "encoder.layer.1"),
    ],
)
def test_weights_that_do_not_fit_their_config_are_refused(tmp_path, cls, change, said):
    folder = save(tmp_path / "m", BertForMaskedLM(ENCODERS["bert"]))
    edit(tmp_path / "m", **change)
    line = refusal(cls, folder)
    assert said in line and "fit its config.json" in line


def test_old_buffers_in_a_checkpoint_are_no_error(tmp_path):
    folder = save(tmp_path / "m", BertModel(ENCODERS["bert"]))
    file = tmp_path / "m" / "model.safetensors"
    old = {"embeddings.position_ids": torch.arange(42)[None]}
    save_file({**load_file(file), **old}, file, metadata={"format": "pt"})
    assert load(CLASSIFY, folder, num_labels=2).fresh == ["classifier.bias", "classifier.weight"]
    load(MLM, folder)


def test_a_pickle_is_not_read(tmp_path):
    folder = save(tmp_path / "m", BertModel(ENCODERS["bert"]))
    file = tmp_path / "m" / "model.safetensors"
    torch.save(load_file(file), tmp_path / "m" / "pytorch_model.bin")
    file.unlink()
    assert "weights in safetensors" in refusal(MLM, folder)


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "evil.Config"}})
    )
    (tmp_path / "evil.py").write_text("raise SystemExit(f'ran {__file__}')")
    assert "cannot be loaded" in refusal(CLASSIFY, tmp_path)


def test_what_lies_nowhere_is_one_line():
    assert "must be a hub name or a folder" in refusal(MLM, "nobody/nowhere")


class Tokens:
    """So many ids."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def get_vocab(self) -> dict[str, int]:
        return {str(number): number for number in range(self.count)}


def test_ids_and_positions_that_a_model_lacks_are_refused():
    model = make(CLASSIFY, ENCODERS["roberta"])
    lengths = {"data.max_length": 40}  # of its 42 positions, which begin behind the pad's
    with torch.no_grad():
        model(torch.full((1, 40), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, 41), 5))
    check_fits(model, tokenizer=Tokens(VOCAB), lengths=lengths)
    with pytest.raises(UserError) as caught:
        check_fits(model, tokenizer=Tokens(VOCAB + 1), lengths={"data.max_length": 41})
    pieces, positions = caught.value.problems
    assert f"at most the model's {VOCAB} pieces, but has {VOCAB + 1}" in pieces
    assert positions.startswith("`data.max_length` must be at most 40")


def test_relative_positions_have_no_end():
    model = make(SEQ2SEQ, TRANSLATORS["t5"])
    check_fits(model, tokenizer=Tokens(VOCAB), lengths={"data.max_length": 10_000})


def test_the_discriminators_export_serves_both_tasks(tmp_path):
    torch.manual_seed(0)
    folder = save(tmp_path / "m", ElectraForPreTraining(electra(16)))
    assert load(MLM, folder).fresh and load(CLASSIFY, folder, num_labels=2).fresh


def test_a_translator_can_be_loaded_by_its_own_class(tmp_path):
    model = make(SEQ2SEQ, TRANSLATORS["marian"])
    again = load(SEQ2SEQ, save(tmp_path / "m", model)).model
    assert isinstance(again, MarianMTModel)
    assert again.generation_config.decoder_start_token_id == 1
