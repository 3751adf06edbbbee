"""What the names of a configuration point to, task by task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import BertTokenizer

from electralab.checking.checks import problems
from electralab.command.compose import Composer, search_path
from electralab.config import Config, validate
from electralab.data.prepare import TrainTokenizer
from electralab.errors import UserError
from electralab.running.origins import Origins, find_origins
from electralab.tracking.store import open_store

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "file"]


def config(*overrides: str) -> Config:
    composed = Composer(path=search_path()).compose([*overrides, "tracking=off"])
    assert composed.problems == []
    return validate(composed.points[0].container)


def origins(*overrides: str) -> Origins:
    whole = config(*overrides)
    store = open_store(whole.tracking, output_dir=Path("outputs"))
    return find_origins(whole, store=store, output_dir=Path("outputs"))


def run(folder: Path, run_id: str) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    return folder


@pytest.fixture
def export(here) -> Path:
    """An export's folder; the tokenizers of its parts are the same."""
    for part in ("discriminator", "generator", "encoder"):
        (here / "export" / part).mkdir(parents=True)
        pieces = {piece: index for index, piece in enumerate(PIECES)}
        BertTokenizer(vocab=pieces).save_pretrained(here / "export" / part)
    return here / "export"


@pytest.mark.parametrize(
    ("task", "part"),
    [("rtd", "discriminator"), ("classification", "discriminator"), ("mlm", "generator")],
)
def test_an_export_gives_each_task_its_part(export, task, part):
    found = origins(f"task={task}", "model=auto", f"model.name_or_path={export}")
    assert found.model == str(export / part) and found.tokenizer_path == found.model


@pytest.mark.parametrize("task", ["rtd", "mlm", "classification", "translation"])
def test_a_run_gives_its_model_and_is_a_parent(here, task):
    folder = run(here / "outputs" / "adapt" / "first", "ab12" * 8)
    for name in (str(folder), "ab12ab12"):
        found = origins(f"task={task}", "model=auto", f"model.name_or_path={name}")
        assert Path(found.model).absolute() == folder / "model" and found.parents == ("ab12" * 8,)


def test_the_other_half_in_a_models_file_is_left_where_nothing_needs_it(here):
    named = ["model=koelectra_base_v3"]
    assert origins(*named).generator == "monologg/koelectra-base-v3-generator"
    for task in ("mlm", "classification"):
        found = origins(f"task={task}", *named)
        assert found.generator is None
        assert found.model == "monologg/koelectra-base-v3-discriminator"


def test_a_task_trains_the_kind_of_tokenizer_it_reads(here):
    for task, kind in (("mlm", "wordpiece"), ("translation", "bpe")):
        words = [f"task={task}", "model.vocab_size=300", "model.lowercase=false"]
        whole = config(*words)
        found = origins(*words).tokenizer(whole.model, task=task)
        assert found == TrainTokenizer(vocab_size=300, lowercase=False, kind=kind)


def test_a_tokenizer_must_have_what_the_task_needs(export):
    words = ["model=auto", f"model.name_or_path={export}"]
    model = config(*words).model
    found = origins(*words)
    assert found.tokenizer(model, task="classification").mask_token == "[MASK]"
    with pytest.raises(UserError) as caught:
        found.tokenizer(model, task="translation")
    [line] = caught.value.problems
    assert line.startswith("`model.name_or_path` must have an eos_token")


def test_the_default_of_every_task_passes_the_checks(here):
    for task in ("rtd", "mlm", "classification", "translation"):
        found = problems(config(f"task={task}"))
        assert [line for line in found if line.startswith("`model.")] == [], task
