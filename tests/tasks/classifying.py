"""Texts whose class is easy to see, and tiny models for them."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerBase

from electralab.config import DataConfig
from electralab.data.sources import Documents
from electralab.data.tokenizer import train_wordpiece
from electralab.task_config import ClassificationConfig
from tests.conftest import WORDS

NAMES = ["file", "number", "word"]
TINY = [
    "model.vocab_size=300",
    "model.hidden_size=16",
    "model.embedding_size=16",
    "model.intermediate_size=32",
    "model.num_hidden_layers=2",
    "model.num_attention_heads=2",
    "model.max_position_embeddings=64",
]
QUICK = [
    "data.max_length=32",
    "data.split.validation=0.2",
    "data.num_proc=1",
    "trainer.max_steps=6",
    "trainer.per_device_train_batch_size=8",
    "trainer.logging_steps=2",
    "trainer.eval_strategy=steps",
    "trainer.eval_steps=3",
    "trainer.save_strategy=steps",
    "trainer.save_steps=3",
]


def config(**keys) -> ClassificationConfig:
    defaults = {
        "name": "classification",
        "problem": "single_label",
        "labels": None,
        "label_separator": ",",
        "average": None,
        "class_weights": None,
        "freeze_encoder": False,
        "layer_decay": 1.0,
    }
    return ClassificationConfig(**(defaults | keys))


def examples(count: int, *, seed: int = 0, names=NAMES) -> list[tuple[str, str]]:
    """Returns texts of 3 to 20 words among which the name of their class is."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        name = names[number % len(names)]
        words = rng.choices(WORDS.split(), k=rng.randint(2, 19))
        found.append((" ".join([*words, name]), name))
    rng.shuffle(found)
    return found


def write_csv(path: Path, rows: list[tuple], columns=("text", "label")) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def words(path: Path | str, *more: str) -> list[str]:
    """Words of a run from scratch on such a file."""
    return ["task=classification", "data=csv", f"data.path={path}", *_ELECTRA, *TINY, *QUICK, *more]


def tune(path: Path | str, model: Path | str, *more: str) -> list[str]:
    """Words of a run that fine-tunes a checkpoint."""
    named = ["model=auto", f"model.name_or_path={model}"]
    return ["task=classification", "data=csv", f"data.path={path}", *named, *QUICK, *more]


_ELECTRA = ["model=electra_tiny"]


def tokenizer() -> PreTrainedTokenizerBase:
    return train_wordpiece([WORDS], vocab_size=300, lowercase=True)


def classifier(folder: Path, labels: list[str], **fields) -> Path:
    """Saves a tiny BERT that tells some classes apart, with its tokenizer."""
    import torch

    pieces = tokenizer()
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings = {
        "vocab_size": len(pieces),
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,  # so that what it says differs from text to text
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**(sizes | settings | fields)))
    model.save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def documents(labels: dict[str, list], *, label_names=None) -> Documents:
    """Returns documents with some labels a split; each has a text of its own."""
    from datasets import Dataset, Features, Value

    from electralab.data.columns import label_of

    features = Features({"text": Value("large_string"), "label": Value("large_string")})
    tables = {
        split: Dataset.from_dict(
            {
                "text": [f"text {number}" for number in range(len(values))],
                "label": [label_of(value) for value in values],
            },
            features=features,
        )
        for split, values in labels.items()
    }
    return Documents(tables=tables, label_names=label_names)


def data_config(**keys) -> DataConfig:
    from importlib.resources import files

    import yaml

    defaults = yaml.safe_load((files("electralab.conf") / "data" / "keys.yaml").read_text())
    return DataConfig.model_validate({**defaults, "source": "csv", **keys})
