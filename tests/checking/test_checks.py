"""Checks of keys against one another, against files and against the machine."""

# ruff: noqa: E501 (expected messages stand whole)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electralab.checking import checks
from electralab.command.compose import Composer, search_path
from electralab.config import validate

SIZES = {"vocab_size": 6, "embedding_size": 8, "max_position_embeddings": 16}
PIECES = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def problems(*overrides: str) -> list[str]:
    composed = Composer(path=search_path()).compose(list(overrides))
    assert composed.problems == []
    found = checks.problems(validate(composed.points[0].container))
    assert all("\n" not in line for line in found)
    return found


def checkpoint(folder: Path, *, pieces: dict[str, int] | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True)
    whole = {"model_type": "electra", **SIZES, **config}
    (folder / "config.json").write_text(json.dumps(whole))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": pieces or PIECES}}))
    config = {"tokenizer_class": "ElectraTokenizer", "mask_token": "[MASK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return folder


SHORT = "data.max_length=16"


@pytest.mark.parametrize(
    "model", ["electra_tiny", "electra_small", "electra_base", "electra_large"]
)
def test_models_from_scratch_pass(model):
    assert problems(f"model={model}") == []


@pytest.mark.parametrize("model", ["koelectra_base_v3", "electra_small_hub"])
def test_models_of_the_hub_pass(model):
    assert problems(f"model={model}") == []


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["task.disc_weight=0", "task.gen_weight=0"],
            "`task.disc_weight` and `task.gen_weight` must not both be 0: nothing would learn.",
        ),
        (
            ["data.max_length=600"],
            "`data.max_length` must be at most 512, the positions of `model.max_position_embeddings`, "
            "but is 600 instead.",
        ),
        (
            ["model.hidden_size=130", "model.num_attention_heads=4"],
            "`model.hidden_size` must be a multiple of `model.num_attention_heads` (4), but is 130 "
            "instead.",
        ),
        (
            ["model.generator.hidden_size=65", "model.generator.num_attention_heads=2"],
            "`model.generator.hidden_size` must be a multiple of "
            "`model.generator.num_attention_heads` (2), but is 65 instead.",
        ),
        (
            ["model=auto"],
            "`model.name_or_path` must be set where `model` has no sizes: a hub name, a folder or a run.",
        ),
        (
            ["model.tokenizer=auto"],
            "`model.tokenizer` must be train, a hub name, a folder or a run for a model from scratch, "
            "but is 'auto' instead.",
        ),
        (
            ["model.vocab_size=null"],
            "`model.vocab_size` must be set for `model.tokenizer` train, but is null instead.",
        ),
        (
            ["model.tokenizer=./nowhere"],
            "`model.tokenizer` must be a folder that exists, but ./nowhere does not.",
        ),
        (
            ["model.generator.name_or_path=a/b"],
            "`model.generator.name_or_path` must be null for a discriminator from scratch, but is a/b "
            "instead.",
        ),
        (
            ["model=auto", "model.name_or_path=/nowhere/at/all"],
            "`model.name_or_path` must be a folder that exists, but /nowhere/at/all does not.",
        ),
        (
            ["model=auto", "model.name_or_path=a/b", "model.tokenizer=train"],
            "`model.tokenizer` must be that of `model.name_or_path`, whose weights know no other, but "
            "is 'train' instead; choose model.tokenizer=auto.",
        ),
        (
            ["model=auto", "model.name_or_path=a/b", "model.hidden_size=8"],
            "`model.hidden_size` must be null with `model.name_or_path`, which has sizes of its own; "
            "choose model=auto.",
        ),
        (
            ["model=auto", "model.name_or_path=a/b", "model.generator.hidden_size=8",
             "model.generator.num_hidden_layers=1", "model.generator.num_attention_heads=1"],
            "`model.generator.intermediate_size` must be set as well for a generator from scratch; set "
            "all four or none.",
        ),
        (
            ["trainer.load_best_model_at_end=true", "data.split.validation=null"],
            "`data.split.validation` must be a share or a file for `trainer.load_best_model_at_end`, "
            "which needs an evaluation, but is null instead.",
        ),
        (
            ["tracking.uri=sqlite:///x.db"],
            "`tracking.uri` must be null with tracking=local, but is sqlite:///x.db instead; choose "
            "tracking=server to use it.",
        ),
        (
            ["tracking=server", "tracking.uri=null"],
            "`tracking.uri` must be set with tracking=server, such as http://127.0.0.1:5000.",
        ),
        (["trainer.bf16=yes"], "`trainer.bf16` must be true, false or auto, but is 'yes' instead."),
        (
            ["data=csv", "data.path=nowhere.csv"],
            "`data.path` must be a file that exists, but nowhere.csv does not.",
        ),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(overrides, line):
    assert problems(*overrides) == [line]


def test_no_validation_alone_is_fine():
    assert problems("data.split.validation=null") == []


def test_sizes_are_asked_for_from_scratch():
    found = problems("model.hidden_size=null", "model.generator.num_hidden_layers=null")
    assert [line.split("`")[1] for line in found] == [
        "model.hidden_size", "model.generator.num_hidden_layers",
    ]  # fmt: skip


def test_credentials_are_not_shown():
    [line] = problems("tracking=server", "tracking.uri=ftp://me:secret@host/x")
    assert "`tracking.uri` must begin with" in line and "secret" not in line


def test_output_dir_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    [line] = problems(f"output_dir={tmp_path}/file/runs")
    assert line == f"`output_dir` must be a folder, but {tmp_path}/file is a file; choose another."


def test_output_dir_that_cannot_be_written(monkeypatch):
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    [line] = problems("output_dir=runs")
    assert line.startswith("`output_dir` must be a folder that can be written")
    assert "(Permission denied)" in line


def test_checking_leaves_nothing_behind(tmp_path):
    assert problems("output_dir=runs/deep") == []
    assert list(tmp_path.iterdir()) == []


# Local checkpoints.


def test_a_local_pair_of_checkpoints_passes(tmp_path):
    disc, gen = checkpoint(tmp_path / "d"), checkpoint(tmp_path / "g")
    own = [f"model.name_or_path={disc}", f"model.generator.name_or_path={gen}"]
    assert problems("model=auto", *own, SHORT) == []


def test_an_export_and_a_run_are_seen_through(tmp_path):
    checkpoint(tmp_path / "export" / "discriminator")
    assert problems("model=auto", "model.name_or_path=export", SHORT) == []
    config = {"model_type": "electralab-rtd", "discriminator": SIZES, "generator": SIZES}
    checkpoint(tmp_path / "run" / "model", **config)
    (tmp_path / "run" / "run.json").write_text("{}")
    assert problems("model=auto", "model.name_or_path=run", SHORT) == []
    [line] = problems("model=auto", "model.name_or_path=run", "data.max_length=17")
    assert line.startswith("`data.max_length` must be at most 16")
    [line] = problems(
        "model=auto", "model.name_or_path=run", "model.generator.name_or_path=a/b", SHORT
    )
    assert "which brings its own generator" in line


def test_positions_come_from_the_checkpoint(tmp_path):
    [line] = problems("model=auto", f"model.name_or_path={checkpoint(tmp_path / 'd')}")
    assert line == (
        "`data.max_length` must be at most 16, the positions of `model.name_or_path`, but is 128 "
        "instead."
    )


def test_a_checkpoint_that_is_no_electra(tmp_path):
    folder = checkpoint(tmp_path / "d", model_type="roberta", max_position_embeddings=18)
    [line] = problems("model=auto", f"model.name_or_path={folder}", SHORT)
    assert line.endswith(f"or a BERT, but {folder} is of the type 'roberta' instead.")


def test_a_folder_without_a_model(tmp_path):
    (tmp_path / "empty").mkdir()
    [line] = problems("model=auto", "model.name_or_path=empty")
    assert line == (
        "`model.name_or_path` must be a folder with a readable config.json, but empty has none."
    )


def test_a_run_that_has_not_ended(tmp_path):
    (tmp_path / "going").mkdir()
    (tmp_path / "going" / "run.json").write_text("{}")
    [line] = problems("model=auto", "model.name_or_path=going")
    assert line == (
        "`model.name_or_path` must be a run that has ended, but going has no model yet; wait for "
        "it, or go on with it by resume=going."
    )


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "file").write_text("")
    [line] = problems("model=auto", "model.name_or_path=file")
    assert line.endswith("must be a hub name, a folder or a run, but file is a file.")


@pytest.mark.parametrize("field", ["vocab_size", "embedding_size"])
def test_generator_and_discriminator_must_agree(tmp_path, field):
    disc, gen = checkpoint(tmp_path / "d"), checkpoint(tmp_path / "g", **{field: 7})
    [line] = problems(
        "model=auto", f"model.name_or_path={disc}", f"model.generator.name_or_path={gen}", SHORT
    )
    assert f"`model.generator.name_or_path` must have the `{field}`" in line


def test_pieces_must_agree_masks_included(tmp_path):
    disc = checkpoint(tmp_path / "d")
    gen = checkpoint(tmp_path / "g", pieces={**PIECES, "[MASK]": 5, "a": 4})
    [line] = problems(
        "model=auto", f"model.name_or_path={disc}", f"model.generator.name_or_path={gen}", SHORT
    )
    assert line.endswith("but 2 differ, such as '[MASK]'.")


@pytest.mark.parametrize("config", [{"mask_token": None}, {"tokenizer_class": "GPT2TokenizerFast"}])
def test_a_tokenizer_without_mask_token(tmp_path, config):
    folder = checkpoint(tmp_path / "t")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    [line] = problems("model.tokenizer=t")
    assert line.startswith("`model.tokenizer` must have a tokenizer with a mask token")


def test_a_bert_tokenizer_has_a_mask_token_by_default(tmp_path):
    folder = checkpoint(tmp_path / "t")
    config = {"tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert problems("model.tokenizer=t") == []


def test_a_folder_without_a_tokenizer(tmp_path):
    (tmp_path / "t").mkdir()
    [line] = problems("model.tokenizer=t")
    assert line == "`model.tokenizer` must have a tokenizer, but the folder t holds none."


def test_a_tokenizer_with_more_pieces_than_the_model(tmp_path):
    disc = checkpoint(tmp_path / "d", vocab_size=5)
    [line] = problems("model=auto", f"model.name_or_path={disc}", SHORT)
    assert "at most the model's 5 pieces" in line and line.endswith("has 6 instead.")


def test_the_points_of_a_sweep_look_at_the_data_once(monkeypatch):
    from electralab.data import peek

    looks = []
    monkeypatch.setattr(peek, "problems", lambda data, columns: looks.append(data) or [])
    points = Composer(path=search_path()).compose(["seed=1,2,3"], multirun=True).points
    memo: dict[str, list[str]] = {}
    for point in points:
        checks.problems(validate(point.container), memo=memo)
    assert len(looks) == 1


def test_a_tokenizer_of_other_pieces_than_the_models_own(tmp_path):
    disc = checkpoint(tmp_path / "d")
    checkpoint(tmp_path / "t", pieces={**PIECES, "[MASK]": 5, "a": 4})
    [line] = problems("model=auto", f"model.name_or_path={disc}", "model.tokenizer=t", SHORT)
    assert line == (
        "`model.tokenizer` must read the same pieces as `model.name_or_path`, but 2 differ, such "
        "as '[MASK]'."
    )
