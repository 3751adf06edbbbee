"""Configurations and corpora small enough to prepare in milliseconds."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from electralab.config import DataConfig

WORDS = ["the", "model", "reads", "a", "long", "text", "and", "writes", "short", "tokens"]
WORDS += ["with", "care", "because", "data", "matters"]


@pytest.fixture
def data_config() -> Callable[..., DataConfig]:
    """Builds `data` from its shipped defaults; keys are given dotted, as in an override."""
    defaults = yaml.safe_load((files("electralab.conf") / "data" / "keys.yaml").read_text())

    def build(values: dict[str, Any] | None = None, **given: Any) -> DataConfig:
        node = copy.deepcopy(defaults) | {"max_length": 16}
        for key, value in {**(values or {}), **given}.items():
            target = node
            *outer, last = key.split(".")
            for name in outer:
                target = target[name]
            assert last in target, key
            target[last] = value
        return DataConfig.model_validate(node)

    return build


@pytest.fixture
def sentences() -> Callable[..., list[str]]:
    """Makes sentences of 3 to 12 words, the same for the same seed."""

    def make(count: int, seed: int = 0) -> list[str]:
        rng = random.Random(seed)
        return [" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(count)]

    return make


@pytest.fixture
def corpus(tmp_path, sentences) -> str:
    """A text file of 200 lines."""
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(sentences(200)) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def tokenizer():
    """A WordPiece tokenizer whose pieces are the words of `sentences` and letters."""
    from transformers import BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return BertTokenizer(vocab=vocab, strip_accents=False)
