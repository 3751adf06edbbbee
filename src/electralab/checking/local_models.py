"""What the folder of a model or tokenizer says about itself, without loading it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from electralab import untrusted
from electralab.checking.schema_errors import show
from electralab.running import folder as files

PAIR = "electralab-rtd"
WEIGHTS = "model.safetensors"
_INDEX = f"{WEIGHTS}.index.json"
_LONGEST_HEADER = 100_000_000  # bytes, as the library of safetensors has it
_MOST = {"layer": 1000, "num_labels": 1_000_000}  # by what the name of a size has in it
_NEVER = ("quantization_config", "transformers_weights")  # other weights than plain ones
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
    def is_run(self) -> bool:
        """Whether this is the folder of a run, which may not have ended."""
        return (self.folder / files.IDENTITY).is_file()

    @cached_property
    def place(self) -> Path:
        """The folder that holds the files themselves."""
        if self.is_run:
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
        if reason := config_damage(self.whole):
            return f"{file} {reason}"
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
            if not isinstance(_json(whole).get("model"), dict):
                return f"{whole} holds no vocabulary"
            known = self.vocabulary.values()
            wrong = [value for value in known if type(value) is not int or value < 0]
            return f"{whole} gives a piece the id {show(wrong[0])}" if wrong else None
        try:
            untrusted.read_text(self.folder / "vocab.txt")
        except UnicodeError:
            return f"{self.folder / 'vocab.txt'} is no UTF-8"
        except OSError:  # another kind of vocabulary
            return None
        except ValueError as error:
            return f"{self.folder / 'vocab.txt'} cannot be read: {error}"
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
            found = {
                str(item[0]): index
                for index, item in enumerate(found)
                if isinstance(item, list) and item
            }
        if isinstance(found, dict):
            listed = whole.get("added_tokens")
            listed = listed if isinstance(listed, list) else []
            added = [one for one in listed if isinstance(one, dict)]
            return {**found, **{str(one.get("content")): one.get("id") for one in added}}
        try:
            pieces = untrusted.read_text(self.folder / "vocab.txt").splitlines()
        except (OSError, ValueError):
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
    names, index = _weights(folder), folder / _INDEX
    if not names:
        return f"{index} names no files"
    if outside := [name for name in names if Path(name).name != name]:
        return f"{index} names {outside[0]}, which is no file beside it"
    for name in names:
        if not (folder / name).is_file():
            pickles = sorted(file.name for file in folder.glob("*.bin"))
            but = f", only {pickles[0]}, a pickle, which can run code" if pickles else ""
            return f"{folder} has no {name}{but}"
        if reason := _safetensors_damage(folder / name):
            return f"{folder / name} {reason}"
    return None


def elements(folder: Path) -> int:
    """Returns how many numbers the weights of a folder hold, by their headers; 0: it has none.

    Args:
        folder: Where ``model.safetensors`` lies, or the index of its parts.
    """
    try:
        paths = [folder / name for name in _weights(folder)]
        tensors = [tensor for path in paths for tensor in _header(path)[1].values()]
        said = sum(math.prod(tensor["shape"]) for tensor in tensors)
        return min(said, sum(path.stat().st_size for path in paths))
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _weights(folder: Path) -> list[str]:
    """Returns the names of the files of weights that a folder should have."""
    index = folder / _INDEX
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return [WEIGHTS]
    parts = _json(index).get("weight_map")
    return sorted(set(map(str, parts.values()))) if isinstance(parts, dict) else []


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Returns the length of a header in bytes, and what it says of each tensor.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no safetensors file.
    """
    size = file.stat().st_size
    with open(file, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ValueError("its header is too short or too long")
        header = untrusted.parse_json(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return length, {name: tensor for name, tensor in header.items() if name[:2] != "__"}


def _safetensors_damage(file: Path) -> str | None:
    """Compares the size of a file with what its header says: length, header as JSON, tensors."""
    size = file.stat().st_size
    try:
        length, tensors = _header(file)
        ends = [tensor["data_offsets"][1] for tensor in tensors.values()]
        wanted = 8 + length + max(ends, default=0)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, LookupError, TypeError):
        return f"is no safetensors file ({size:,} bytes)"
    return None if size == wanted else f"is cut off ({size:,} of {wanted:,} bytes)"


def config_damage(config: dict[str, Any]) -> str | None:
    """Says what in a ``config.json`` must be found wrong before anything is made of it.

    Layers and labels are made one by one, so that many of them keep the machine busy for long.

    Args:
        config: Its content; that of a pair holds two.
    """
    for node in (config, *(part for part in config.values() if isinstance(part, dict))):
        if set_ := [name for name in _NEVER if node.get(name)]:
            return f"sets `{set_[0]}`, but weights are read as they are"
        for name, value in node.items():
            most = next((most for part, most in _MOST.items() if part in name), None)
            if most and isinstance(value, int) and value > most:
                return f"gives `{name}` as {value}, which is more than {most:,}"
    return None


def _json_damage(file: Path) -> str | None:
    try:
        content = untrusted.read_json(file)
    except UnicodeDecodeError:
        return "is no UTF-8"
    except json.JSONDecodeError as error:
        return f"is no JSON: {error}"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return None if isinstance(content, dict) else "holds no JSON object"


def _json(file: Path) -> dict[str, Any]:
    try:
        content = untrusted.read_json(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
