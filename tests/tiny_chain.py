"""A chain of five small runs, or as many as its seeds make."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.conftest import WORDS, write_corpus

ADAPT = [
    "adapt.model.vocab_size=300",
    "adapt.model.hidden_size=16",
    "adapt.model.embedding_size=16",
    "adapt.model.intermediate_size=32",
    "adapt.model.num_hidden_layers=1",
    "adapt.model.generator.hidden_size=8",
    "adapt.model.generator.intermediate_size=16",
    "adapt.model.max_position_embeddings=64",
]
STEPS = [
    f"{stage}.trainer.{words}"
    for stage in ("adapt", "finetune")
    for words in (
        *("max_steps=4", "eval_strategy=steps", "eval_steps=2", "save_strategy=steps"),
        *("save_steps=2", "logging_steps=2", "per_device_train_batch_size=4", "bf16=false"),
    )
]
DATA = [
    *("adapt.data=text", "adapt.data.path=corpus.txt", "adapt.data.split.validation=0.1"),
    *("finetune.data=csv", "finetune.data.path=labelled.tsv", "finetune.data.split.test=0.2"),
    *("adapt.data.max_length=32", "finetune.data.max_length=32", "finetune.data.limit=null"),
    *("finetune.data.columns.label=label", "finetune.data.split.validation=0.2"),
    *("adapt.data.num_proc=1", "finetune.data.num_proc=1", "adapt.task.preview_steps=2"),
]
SEED = ["finetune.seeds=[0]"]


def chain(*more: str) -> list[str]:
    """Words of a chain from scratch with one seed; the tables lie in the working directory."""
    return ["experiment=adapt_then_classify", *DATA, *ADAPT, *STEPS, *SEED, *more]


def from_checkpoint(folder: str | Path, *more: str) -> list[str]:
    """Words of a chain that starts from a checkpoint."""
    start = ["adapt.model=auto", f"adapt.model.name_or_path={folder}", "adapt.model.dropout=0.1"]
    return ["experiment=adapt_then_classify", *DATA, *start, *STEPS, *SEED, *more]


def write_tables(folder: Path) -> None:
    """Writes ``corpus.txt``, and ``labelled.tsv`` with the columns text and label."""
    write_corpus(folder / "corpus.txt", documents=150)
    rng = random.Random(1)
    lines = ["text\tlabel"]
    for index in range(80):
        words = rng.choices(WORDS.split(), k=8)
        lines.append(
            f"{' '.join(words)} {('path', 'model')[index % 2]}\t{('file', 'net')[index % 2]}"
        )
    (folder / "labelled.tsv").write_text("\n".join(lines) + "\n")


def folders(here: Path, name: str = "adapt_then_classify") -> dict[str, list[Path]]:
    """The folders under ``outputs``, by task, those of sweeps last."""
    found: dict[str, list[Path]] = {}
    place = here / "outputs" / name
    for file in sorted([*place.glob("*/run.json"), *place.glob("sweep-*/*/run.json")]):
        found.setdefault(json.loads(file.read_text())["task"], []).append(file.parent)
    return found


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())
