"""The folder of a run: what it is called and what stands in it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from electralab import untrusted
from electralab.tracking.redaction import mask_value, without_secrets

CONFIG, OVERRIDES, LOG = "config.yaml", "overrides.yaml", "run.log"
IDENTITY, SUMMARY, BASELINE = "run.json", "summary.json", "baseline.json"
HISTORY = "history.json"  # what was logged at each step
PROVENANCE = "provenance.json"  # code, packages and machine
PRUNED = "pruned.json"  # why a search stopped the training, where one did
UNDELIVERED = "undelivered"  # in a summary: what the tracking store lacks
SWEEP = "sweep.json"  # of a sweep's folder
CHECKPOINTS, MODEL = "checkpoints", "model"
CACHE = "cache"  # of an output folder, beside its runs
WEIGHTS = ("*.safetensors",)
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt", "*.model", "*.spm")
_LARGEST_YAML = 1_000_000  # bytes


def new_run_folder(
    output_dir: Path, *, name: str, signature: str, folder: Path | None = None
) -> Path:
    """Makes ``<output_dir>/<name>/<time>-<signature>``, or the folder that is given.

    Two runs of one second get two folders.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{signature}"
    for attempt in range(1, 1000):
        folder = output_dir / name / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(output_dir / name / stem)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder have reached the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Waits until everything in a folder has reached the disk."""
    for path in [folder, *folder.rglob("*")]:
        sync_folder(path)  # a file is opened, and waited for, in the same way


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Writes a JSON file, whole or not at all."""
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object; empty where there is none, or no whole one."""
    try:
        content = untrusted.read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_yaml(path: Path, content: Any) -> None:
    """Writes a YAML file, whole or not at all."""
    write_whole(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def read_yaml(path: Path) -> Any:
    """Reads a YAML file of plain values that may come from anywhere.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no YAML, or larger or deeper than any record of ours. Aliases are
            refused, for a few of them can stand for more than fits into memory.
    """
    text = untrusted.read_text(path, most=_LARGEST_YAML)
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise ValueError(getattr(error, "problem", None) or str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias, such as *name")
        return super().compose_node(parent, index)


def digest(folder: Path, patterns: Iterable[str]) -> str:
    """Returns a SHA-256 of the names and contents of files anywhere in a folder.

    Args:
        folder: Searched through.
        patterns: Of the names of the files that count.
    """
    total = hashlib.sha256()
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    for path in sorted(found):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()


def describe_run(
    folder: Path, *, identity: dict[str, Any], config: dict[str, Any], overrides: list[str]
) -> None:
    """Writes what a run is: ``run.json``, ``config.yaml`` and ``overrides.yaml``, without secrets.

    Args:
        folder: The run's folder.
        identity: Its id, signature and the like.
        config: Nested mappings.
        overrides: What was typed.
    """
    write_yaml(folder / CONFIG, _without_secrets(config))
    write_yaml(folder / OVERRIDES, without_secrets(overrides))
    write_json(folder / IDENTITY, identity)  # last: what has it can be gone on with


def _without_secrets(node: Any, key: str = "") -> Any:
    if isinstance(node, dict):
        return {name: _without_secrets(value, f"{key}.{name}") for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_without_secrets(value, key) for value in node]
    return mask_value(key, node) if isinstance(node, str) else node
