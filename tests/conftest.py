from __future__ import annotations

import logging
import os
import random
import signal

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side

import pytest

from electralab.training import rate

rate.BUDGET = 0.0  # seconds: how fast this machine is matters to no test

# A shell that starts the tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

WORDS = """the path of a file is returned as text if it can be read and none otherwise so that
callers may open close write or remove it without an error when names of folders change while
lists keys values numbers lines words tokens models runs steps masks heads layers are given
"""

TINY = [
    "model.vocab_size=300",
    "model.hidden_size=16",
    "model.embedding_size=16",
    "model.intermediate_size=32",
    "model.num_hidden_layers=1",
    "model.generator.hidden_size=8",
    "model.generator.num_hidden_layers=1",
    "model.generator.intermediate_size=16",
    "model.max_position_embeddings=64",
    "data.max_length=32",
    "data.split.validation=0.1",
    "data.num_proc=1",
    "trainer.max_steps=6",
    "trainer.per_device_train_batch_size=4",
    "trainer.logging_steps=2",
    "trainer.eval_steps=3",
    "trainer.save_steps=3",
    "task.preview_steps=3",
]


def write_corpus(path, *, documents: int = 300, seed: int = 0):
    """Writes a text file of random sentences, a document a line."""
    rng = random.Random(seed)
    lines = (" ".join(rng.choices(WORDS.split(), k=rng.randint(5, 40))) for _ in range(documents))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus.txt")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to run in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def logging_as_before():
    """Takes back what a test told the root logger, whose stream is gone for the next one."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield
    root.setLevel(before[0])
    for handler in [handler for handler in root.handlers if handler not in before[1]]:
        root.removeHandler(handler)
