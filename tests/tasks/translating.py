"""A language in which every sentence is easy to translate, and small models for it."""

from __future__ import annotations

import json
import random
from pathlib import Path

NOUNS = {"file": "fichier", "folder": "dossier", "line": "ligne", "word": "mot", "key": "clé"}
VERBS = {"open": "ouvrir", "close": "fermer", "read": "lire", "copy": "copier", "find": "trouver"}
TINY = [
    "model.vocab_size=320",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=2",
    "model.max_position_embeddings=64",
    "data.max_length=32",
    "data.split.validation=0.2",
    "data.num_proc=1",
    "task.examples=4",
    "trainer.max_steps=6",
    "trainer.per_device_train_batch_size=4",
    "trainer.per_device_eval_batch_size=8",
    "trainer.logging_steps=2",
    "trainer.eval_strategy=steps",
    "trainer.eval_steps=3",
    "trainer.save_strategy=steps",
    "trainer.save_steps=3",
]


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Returns sentences with a placeholder or without, and their translations."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        verb, noun = rng.choice(sorted(VERBS)), rng.choice(sorted(NOUNS))
        mark = rng.choice(["", " %1", " {name}…"])
        found.append((f"{verb} the {noun}{mark}", f"{VERBS[verb]} le {NOUNS[noun]}{mark}"))
    return found


def write_pairs(path: Path, count: int = 60, seed: int = 0) -> Path:
    """Writes a JSON Lines file as the tutorial's data has it: ``translation: {en, fr}``."""
    lines = [json.dumps({"translation": {"en": e, "fr": f}}) for e, f in pairs(count, seed)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def words(path: Path | str, *more: str) -> list[str]:
    """Words of a run from scratch on such a file."""
    columns = ["data.columns.source=translation.en", "data.columns.target=translation.fr"]
    return ["task=translation", "data=json", f"data.path={path}", *columns, *TINY, *more]
