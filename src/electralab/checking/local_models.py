"""What the folder of a model or tokenizer says about itself, without loading it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from electralab.checking.schema_errors import show
from electralab.running import folder as files

PAIR = "electralab-rtd"
WEIGHTS = "model.safetensors"
_SIZES = ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers")
_SIZES += ("num_attention_heads", "intermediate_size", "max_position_embeddings")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")
_VOCABULARIES += ("sentencepiece.bpe.model",)
# Kinds with a decoder, for a config.json that does not say so.
_WITH_DECODER = ("bart", "mbart", "marian", "t5", "mt5", "umt5", "longt5", "m2m_100", "nllb-moe")
_WITH_DECODER += ("pegasus", "led", "fsmt", "plbart", "prophetnet", "encoder-decoder")
# Tokenizer classes that have no mask token unless their files name one.
_WITHOUT_MASK = ("PreTrainedTokenizer", "TokenizersBackend", "GPT2", "Llama", "T5", "Qwen", "Gemma")


@dataclass
class LocalModel:
    """A folder with a model: a checkpoint, a part of an export, or the folder of a run.

    Args:
        folder: What was named.
        part: ``discriminator`` or ``generator``, where the folder holds both.
    """

    folder: Path
    part: str

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

    @property
    def has_decoder(self) -> bool:
        """Whether it is an encoder with a decoder."""
        known = self.whole.get("model_type") in _WITH_DECODER
        return bool(self.whole.get("is_encoder_decoder", known))

    @property
    def token_width(self) -> int | None:
        """Width of its token table, where that is known; a BERT's is that of its layers."""
        kind = "hidden_size" if self.config.get("model_type") == "bert" else "embedding_size"
        return self.config.get(kind)

    @property
    def damage(self) -> str | None:
        """What in its files keeps it from being loaded, as far as a look can tell."""
        file = self.place / "config.json"
        for name in _SIZES:
            value = self.config.get(name, 1)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                return f"{file} gives `{name}` as {show(value)}, which is no whole number above 0"
        width, heads = self.config.get("hidden_size", 0), self.config.get("num_attention_heads", 1)
        if width % heads:
            return f"{file} gives `hidden_size` {width}, no multiple of its {heads} heads"
        return weights_damage(self.place)


@dataclass
class LocalTokenizer:
    """A folder with a tokenizer.

    Args:
        folder: The folder itself.
    """

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether there is a vocabulary."""
        return any((self.folder / name).is_file() for name in _VOCABULARIES)

    @property
    def damage(self) -> str | None:
        """What in its files keeps it from being loaded, as far as a look can tell."""
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            file = self.folder / name
            if file.is_file() and (reason := _json_damage(file)):
                return f"{file} {reason}"
        whole = self.folder / "tokenizer.json"
        if whole.is_file():
            has_model = isinstance(_json(whole).get("model"), dict)
            return None if has_model else f"{whole} holds no vocabulary"
        try:
            (self.folder / "vocab.txt").read_text(encoding="utf-8")
        except UnicodeError:
            return f"{self.folder / 'vocab.txt'} is no UTF-8"
        except OSError:  # another kind of vocabulary
            return None
        return None

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
        if isinstance(found, list):  # of pieces with their scores
            found = {item[0]: index for index, item in enumerate(found) if isinstance(item, list)}
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


def weights_damage(folder: Path) -> str | None:
    """Says what is wrong with the weights of a folder, as far as their headers tell.

    Args:
        folder: Where ``model.safetensors`` should lie, or the index of its parts.
    """
    index = folder / f"{WEIGHTS}.index.json"
    if not (folder / WEIGHTS).is_file() and index.is_file():
        parts = _json(index).get("weight_map")
        names = sorted(set(map(str, parts.values()))) if isinstance(parts, dict) else []
        if not names:
            return f"{index} names no files"
    else:
        names = [WEIGHTS]
    for name in names:
        if not (folder / name).is_file():
            pickles = sorted(file.name for file in folder.glob("*.bin"))
            but = f", only {pickles[0]}, a pickle, which can run code" if pickles else ""
            return f"{folder} has no {name}{but}"
        if reason := _safetensors_damage(folder / name):
            return f"{folder / name} {reason}"
    return None


def _safetensors_damage(file: Path) -> str | None:
    """Compares the size of a file with what its header says: length, header as JSON, tensors."""
    size = file.stat().st_size
    try:
        with open(file, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= size - 8:
                return f"is no safetensors file ({size:,} bytes)"
            header = json.loads(stream.read(length))
        ends = [tensor["data_offsets"][1] for key, tensor in header.items() if key[:2] != "__"]
        wanted = 8 + length + max(ends, default=0)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, LookupError, AttributeError, TypeError):
        return "is no safetensors file"
    return None if size == wanted else f"is cut off ({size:,} of {wanted:,} bytes)"


def _json_damage(file: Path) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return "is no UTF-8"
    except ValueError as error:
        return f"is no JSON: {error}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if isinstance(content, dict) else "holds no JSON object"


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
