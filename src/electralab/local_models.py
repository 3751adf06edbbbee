"""What the folder of a model or tokenizer says about itself, without loading it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from electralab import folder as files

PAIR = "electralab-rtd"
# Tokenizer classes that have no mask token unless their files name one.
_WITHOUT_MASK = ("PreTrainedTokenizer", "TokenizersBackend", "GPT2", "Llama", "T5", "Qwen", "Gemma")


def looks_like_a_path(name: str) -> bool:
    """Says whether a name can be nothing but a path: the hub has at most one slash."""
    return name.startswith((".", "/", "~", "\\")) or name.count("/") > 1 or name.endswith("/")


@dataclass
class LocalModel:
    """A folder with a model: a checkpoint, a part of an export, or the folder of a run.

    Args:
        folder: What was named.
        part: ``discriminator`` or ``generator``, where the folder holds both.
    """

    folder: Path
    part: str
    problems: list[str] = field(default_factory=list)

    @cached_property
    def place(self) -> Path:
        """The folder that holds the files themselves."""
        if (self.folder / files.IDENTITY).is_file():
            return self.folder / files.MODEL
        inner = self.folder / self.part
        return (
            inner if not (self.folder / "config.json").is_file() and inner.is_dir() else self.folder
        )

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Its ``config.json``; empty if there is none."""
        return _json(self.place / "config.json")

    @property
    def is_pair(self) -> bool:
        """Whether it holds a generator and a discriminator together."""
        return self.whole.get("model_type") == PAIR

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of its part."""
        inner = self.whole.get(self.part) if self.is_pair else self.whole
        return inner if isinstance(inner, dict) else {}


@dataclass
class LocalTokenizer:
    """A folder with a tokenizer.

    Args:
        folder: The folder itself.
    """

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether there are any files of a tokenizer."""
        names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model")
        return any((self.folder / name).is_file() for name in names)

    @property
    def lacks_mask(self) -> bool:
        """Whether it certainly has no mask token."""
        given = {
            **_json(self.folder / "special_tokens_map.json"),
            **_json(self.folder / "tokenizer_config.json"),
        }
        if given.get("mask_token"):
            return False
        kind = str(given.get("tokenizer_class") or "")
        return "mask_token" in given or kind.startswith(_WITHOUT_MASK)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Its pieces and their ids; empty where they cannot be read."""
        whole = _json(self.folder / "tokenizer.json")
        model = whole.get("model")
        found = model.get("vocab") if isinstance(model, dict) else None
        if isinstance(found, dict):
            added = [item for item in whole.get("added_tokens", []) if isinstance(item, dict)]
            return {**found, **{item.get("content"): item.get("id") for item in added}}
        try:
            pieces = (self.folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError):
            return {}
        return {piece: index for index, piece in enumerate(pieces)}


def open_model(name: str | None, part: str) -> LocalModel | None:
    """Returns the model that a name means, if it is a folder."""
    folder = os.path.expanduser(name) if name else ""
    return LocalModel(Path(folder), part) if os.path.isdir(folder) else None


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
