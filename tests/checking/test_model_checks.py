"""What a local folder's files tell of a model, task by task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electralab.checking.model_checks import model_problems
from electralab.config import ModelConfig

TASKS = ("rtd", "mlm", "classification", "translation")
GENERATOR = ("name_or_path", "hidden_size", "num_hidden_layers", "num_attention_heads")
NONE = dict.fromkeys((*GENERATOR, "intermediate_size"))
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
SCRATCH = {**SIZES, "max_position_embeddings": 16, "vocab_size": 300, "tokenizer": "train"}
ELECTRA = {**SCRATCH, "embedding_size": 16}
MARIAN = {**SCRATCH, "architecture": "marian"}
PIECES = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[MASK]": 3, "</s>": 4}


def config(generator: dict[str, Any] | None = None, **changes: Any) -> ModelConfig:
    keys = {
        **dict.fromkeys(ModelConfig.model_fields),
        "architecture": "electra",
        "tokenizer": "auto",
        "lowercase": True,
        "initializer_range": 0.02,
        "generator": {**NONE, **(generator or {})},
    }
    return ModelConfig.model_validate(keys | changes)


def problems(model: ModelConfig, task: str, max_length: int = 16, **options: Any) -> list[str]:
    found = list(model_problems(model, task=task, max_length=max_length, **options))
    assert all("\n" not in line for line in found)
    return found


def checkpoint(folder: Path, model_type: str, **fields: Any) -> str:
    """Makes a folder that looks like a checkpoint, without weights in its weights."""
    folder.mkdir(parents=True)
    whole = {"model_type": model_type, **fields}
    (folder / "config.json").write_text(json.dumps(whole))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": PIECES}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"mask_token": "[MASK]"}))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return str(folder)


# From scratch.


def test_from_scratch_each_task_asks_for_its_own_sizes():
    pair = config(SIZES, **ELECTRA)
    for task in ("mlm", "classification", "rtd"):
        assert problems(pair, task) == []
    alone = config(**ELECTRA)
    for task in ("mlm", "classification"):
        assert problems(alone, task) == []
    assert [line.split("`")[1] for line in problems(alone, "rtd")] == [
        f"model.generator.{name}" for name in SIZES
    ]
    assert problems(config(**MARIAN), "translation") == []  # its tokens are as wide as its layers


@pytest.mark.parametrize("task", TASKS)
def test_an_architecture_of_another_task_is_refused(task):
    model = config(**ELECTRA) if task == "translation" else config(SIZES, **MARIAN)
    [line] = problems(model, task)
    wanted, found = ("marian", "electra") if task == "translation" else ("electra", "marian")
    assert line.startswith(
        f"`model.architecture` must be {wanted} for task={task} from scratch, but is {found} "
        f"instead; choose model={wanted}_"
    )


@pytest.mark.parametrize("task", TASKS)
def test_a_model_of_no_sizes_and_no_name_is_one_line(task):
    [line] = problems(config(), task)
    assert line.startswith("`model.name_or_path` must be set where `model` has no sizes")


def test_a_missing_size_is_named():
    [line] = problems(config(**{**MARIAN, "intermediate_size": None}), "translation")
    assert line.startswith("`model.intermediate_size` must be set")
    [line] = problems(config(**{**ELECTRA, "embedding_size": None}), "mlm")
    assert line.startswith("`model.embedding_size` must be set")


def test_heads_of_a_generator_matter_to_rtd_alone():
    odd = config({**SIZES, "num_attention_heads": 3}, **ELECTRA)
    assert problems(odd, "mlm") == []
    [line] = problems(odd, "rtd")
    assert line.startswith("`model.generator.hidden_size` must be a multiple")


# Checkpoints.

KINDS = {
    "electra": ("rtd", "mlm", "classification"),
    "bert": ("rtd", "mlm", "classification"),
    "roberta": ("mlm", "classification"),
    "t5": ("translation",),
    "marian": ("translation",),
    "bart": ("translation",),
}


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_serves_its_tasks_and_no_others(tmp_path, kind, task, said):
    seq2seq = KINDS[kind] == ("translation",)
    fields = {"is_encoder_decoder": seq2seq} if said else {}
    folder = checkpoint(tmp_path / "m", kind, **fields)
    found = problems(config(name_or_path=folder), task)
    if task in KINDS[kind]:
        assert found == []
    else:
        [line] = found
        assert line.startswith("`model.name_or_path` must be an ")
        assert line.endswith(f"but {folder} is of the type {kind!r} instead.")


def pair(folder: Path) -> str:
    """Makes the folder of a run of replaced token detection."""
    run = {"discriminator": SIZES, "generator": {**SIZES, "max_position_embeddings": 12}}
    checkpoint(folder / "model", "electralab-rtd", **run)
    (folder / "run.json").write_text("{}")
    return str(folder)


def test_a_pair_serves_all_but_translation(tmp_path):
    model = config(name_or_path=pair(tmp_path / "run"))
    for task in ("rtd", "classification"):
        assert problems(model, task) == []
    [line] = problems(model, "translation")
    assert "an encoder with a decoder" in line and "'discriminator'" in line


def test_an_export_gives_each_task_its_part(tmp_path):
    checkpoint(tmp_path / "e" / "discriminator", "electra", max_position_embeddings=16)
    checkpoint(tmp_path / "e" / "generator", "electra", max_position_embeddings=12)
    model = config(name_or_path=str(tmp_path / "e"))
    assert problems(model, "classification") == []
    [line] = problems(model, "mlm")
    assert "`data.max_length` must be at most 12" in line


def test_masked_language_modelling_reads_a_pairs_generator(tmp_path):
    [line] = problems(config(name_or_path=pair(tmp_path / "run")), "mlm")
    assert "`data.max_length` must be at most 12" in line


def test_the_other_half_in_a_models_file_matters_to_rtd_alone(tmp_path):
    folder = checkpoint(tmp_path / "m", "electra")
    model = config({"name_or_path": "./nowhere"}, name_or_path=folder)
    for task in ("mlm", "classification"):
        assert problems(model, task) == []
    [line] = problems(model, "rtd")
    assert line.startswith("`model.generator.name_or_path` must be a folder that exists")


def test_a_bert_is_no_generator(tmp_path):
    disc, gen = (checkpoint(tmp_path / name, "bert", **SIZES) for name in "dg")
    [line] = problems(config({"name_or_path": gen}, name_or_path=disc), "rtd")
    assert line.startswith("`model.generator.name_or_path` must be an ELECTRA, but")


def test_a_bert_and_a_generator_agree_by_the_width_of_their_tokens(tmp_path):
    disc = checkpoint(tmp_path / "d", "bert", **SIZES)
    for width, count in ((16, 0), (8, 1)):
        gen = checkpoint(tmp_path / f"g{width}", "electra", embedding_size=width)
        found = problems(config({"name_or_path": gen}, name_or_path=disc), "rtd")
        assert len(found) == count
        assert all("`embedding_size` of `model.name_or_path`, 16" in line for line in found)


# Positions.


@pytest.mark.parametrize(
    ("kind", "fields", "most"),
    [
        ("bert", {"max_position_embeddings": 16}, 16),
        ("roberta", {"max_position_embeddings": 18}, 16),
        ("roberta", {"max_position_embeddings": 18, "pad_token_id": 0}, 17),
        ("deberta-v2", {"max_position_embeddings": 16}, 16),
        ("deberta-v2", {"max_position_embeddings": 16, "position_biased_input": False}, None),
        ("xlnet", {}, None),
    ],
)
def test_the_positions_that_a_row_can_use(tmp_path, kind, fields, most):
    model = config(name_or_path=checkpoint(tmp_path / "m", kind, **fields))
    longest = most or 10_000
    assert problems(model, "classification", longest) == []
    if most is not None:
        [line] = problems(model, "classification", most + 1)
        assert line == (
            f"`data.max_length` must be at most {most}, the positions of `model.name_or_path`, "
            f"but is {most + 1} instead."
        )


def test_both_sides_of_a_translation_have_positions(tmp_path):
    folder = checkpoint(tmp_path / "m", "marian", max_position_embeddings=16)
    for model in (config(name_or_path=folder), config(**MARIAN)):
        assert problems(model, "translation", max_target_length=16) == []
        [line] = problems(model, "translation", max_target_length=17)
        assert line.startswith("`data.max_target_length` must be at most 16")
    free = checkpoint(tmp_path / "t5", "t5", n_positions=16)
    assert problems(config(name_or_path=free), "translation", 999, max_target_length=999) == []


# Tokenizers.


def test_a_mask_is_asked_for_where_tokens_are_masked(tmp_path):
    folder = checkpoint(tmp_path / "m", "bert")
    (tmp_path / "m" / "tokenizer_config.json").write_text('{"mask_token": null}')
    model = config(name_or_path=folder)
    assert problems(model, "classification") == []
    [line] = problems(model, "mlm")
    assert "must have a tokenizer with a mask token" in line


def test_pieces_with_scores_are_compared_as_well(tmp_path):
    folder = checkpoint(tmp_path / "m", "marian", vocab_size=9)
    other = checkpoint(tmp_path / "t", "marian")
    for name, pieces in (("m", "abc"), ("t", "acb")):
        vocab = [[piece, -1.0] for piece in pieces]
        (tmp_path / name / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocab}}))
    assert problems(config(name_or_path=folder), "translation") == []
    [line] = problems(config(name_or_path=folder, tokenizer=other), "translation")
    assert "must read the same pieces" in line and "2 differ" in line
