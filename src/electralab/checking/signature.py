"""Eight characters that say whether two runs are the same experiment."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.chain_config import adaptation, adapted_model, fine_tuning, unadapted_model
from electralab.config import Chain, Stage
from electralab.data import embedded, files
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import Config

# What only says where things lie, how they are shown, or how many hands do the work.
_LEFT_OUT = {
    (): ("output_dir", "tracking", "resume", "objective", "sweep"),
    ("data",): ("num_proc",),
    ("task",): ("preview_steps", "preview_examples"),
    ("trainer",): ("disable_tqdm", "log_level", "log_level_replica", "log_on_each_node"),
}
# Keys that came later than some runs, which are still the same runs without them.
_LATER = {("task", "phases")}


def signature(config: Config | Chain) -> str:
    """Returns 8 hexadecimal digits of what a run, or a chain of runs, depends on.

    That is its configuration, but for paths of output, tracking and display, and the paths, sizes
    and times of the files it starts from. Contents are not read.

    Args:
        config: A checked configuration.
    """
    if isinstance(config, Chain):
        first, *seeds = config.finetune.seeds
        named = config.finetune.model.name_or_path
        runs = [adaptation(config), fine_tuning(config, model=unadapted_model(config), seed=first)]
        if named:
            runs.append(fine_tuning(config, model=adapted_model(config, named), seed=first))
        content: Any = [*map(signature, runs), *seeds]
    else:
        content = settings(config.model_dump()) | {"files": sources(config)}
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def settings(container: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of a configuration that decides what a run computes.

    Args:
        container: Nested mappings; left as they are.
    """
    left_out = {(*node, name) for node, names in _LEFT_OUT.items() for name in names}

    def kept(node: dict[str, Any], here: tuple[str, ...]) -> dict[str, Any]:
        return {
            name: kept(value, (*here, name)) if isinstance(value, dict) else value
            for name, value in node.items()
            if (*here, name) not in left_out and not (value is None and (*here, name) in _LATER)
        }

    return _canonical(kept(container, ()))


def _canonical(node: Any) -> Any:
    """Writes equal numbers alike, for 50 and 50.0 are one setting."""
    if isinstance(node, dict):
        return {str(name): _canonical(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_canonical(value) for value in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    return node


def sources(config: Config | Chain) -> list[Any]:
    """Returns the paths, sizes and times of the files that a configuration starts from.

    Args:
        config: A typed configuration; a file that is not there is left out.
    """
    if isinstance(config, Chain):
        return [_of_stage(stage) for stage in (config.adapt, config.finetune)]
    return _of_stage(config)


def _of_stage(config: Stage) -> list[Any]:
    data, model = config.data, config.model
    if data.source in embedded.COLUMNS:
        found: list[Any] = [_embedded(data.source)]
    elif data.source == "hub":
        found = [_folder(data.name)]
    else:
        # What is no file is reported by the check.
        found = [_stat(file) for paths in files.by_split(data)[0].values() for file in paths]
    tokenizer = None if model.tokenizer in ("auto", "train") else model.tokenizer
    for name in (model.name_or_path, model.generator.name_or_path, tokenizer):
        found.append(_folder(name))
    return found


@cache
def _embedded(source: str) -> str:
    try:
        return embedded.version(source)
    except UserError:
        return ""  # not installed; reported by the check


def _folder(name: str | None) -> list[Any]:
    folder = Path(os.path.expanduser(name or ""))
    if not name or not folder.is_dir():
        return []
    return [_stat(file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _stat(file: Path) -> tuple[str, int, int]:
    status = file.stat()
    return str(file.absolute()), status.st_size, status.st_mtime_ns
