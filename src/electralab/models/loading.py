"""Loading networks from checkpoints, and saying in one line why one cannot serve."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, ElectraForMaskedLM

from electralab.errors import UserError, one_line
from electralab.models.rtd import RtdPair, RtdPairConfig

log = logging.getLogger(__name__)


def is_pair(folder: str | Path) -> bool:
    """Says whether a folder holds a whole pair, as the ``model/`` of a run does."""
    file = Path(folder) / "config.json"
    if not file.is_file():
        return False
    try:
        return json.loads(file.read_text()).get("model_type") == RtdPairConfig.model_type
    except (ValueError, AttributeError):
        return False


def load_electra(
    cls: type, name_or_path: str, *, key: str, revision: str | None = None, **overrides: Any
) -> Any:
    """Loads one ELECTRA network in float32.

    Args:
        cls: `ElectraForPreTraining` or `ElectraForMaskedLM`.
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.
        overrides: Fields of the configuration to replace, such as dropout; null keeps them.

    Raises:
        UserError: It is no ELECTRA, cannot be found, or does not fit its own configuration.
    """
    overrides = {name: value for name, value in overrides.items() if value is not None}
    if is_pair(name_or_path):
        pair = load_whole_pair(name_or_path, **overrides)
        return pair.generator if cls is ElectraForMaskedLM else pair.discriminator
    try:
        config = AutoConfig.from_pretrained(
            name_or_path, revision=revision, trust_remote_code=False
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        raise UserError(
            f"`{key}` must be a hub name or a folder with a config.json, but {name_or_path!r} "
            f"cannot be loaded: {one_line(error)}."
        ) from error
    if config.model_type != "electra":
        raise UserError(
            f"`{key}` must be an ELECTRA, but {name_or_path!r} is a {config.model_type!r} instead."
        )
    for name, value in overrides.items():
        setattr(config, name, value)
    refusal = (
        f"`{key}` must hold weights in safetensors that fit its config.json, but "
        f"{name_or_path!r} does not"
    )
    model, fresh = _load(cls, name_or_path, config=config, revision=revision, refusal=refusal)
    if lost := [name for name in fresh if name.startswith("electra.")]:
        raise UserError(f"{refusal}: it lacks {len(lost)} tensors, {lost[0]} the first of them.")
    if fresh:
        log.warning("%s has no %s; it starts from random numbers.", name_or_path, ", ".join(fresh))
    return model


def load_whole_pair(folder: str | Path, **overrides: Any) -> RtdPair:
    """Loads the pair of a run in float32.

    Args:
        folder: A folder for which `is_pair` holds.
        overrides: Fields of both configurations to replace, such as dropout; null keeps them.

    Raises:
        UserError: Its weights are damaged or do not fit its configuration.
    """
    refusal = f"{folder} must hold a whole model, but does not"
    try:
        config = RtdPairConfig.from_pretrained(folder)
    except Exception as error:
        raise UserError(f"{refusal}: {one_line(error)}.") from error
    for part in (config.generator, config.discriminator):
        for name, value in overrides.items():
            if value is not None:
                setattr(part, name, value)
    pair, fresh = _load(RtdPair, folder, config=config, refusal=refusal)
    if fresh:
        raise UserError(f"{refusal}: it lacks {len(fresh)} tensors, {fresh[0]} the first of them.")
    return pair


def _load(
    cls: type, source: str | Path, *, config: Any, refusal: str, revision: str | None = None
) -> tuple[Any, list[str]]:
    """Returns a model, and the names of its tensors that the weights do not hold."""
    try:
        model, info = cls.from_pretrained(
            source,
            config=config,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # Transformers would refuse without naming a tensor
            output_loading_info=True,
        )
    except Exception as error:
        raise UserError(f"{refusal}: {one_line(error)}.") from error
    if info["mismatched_keys"]:
        name, found, wanted = min(info["mismatched_keys"])
        raise UserError(
            f"{refusal}: {name} has the shape {list(found)}, and {list(wanted)} by its config.json."
        )
    # Heads of another task may stay behind; a layer or projection may not.
    if left := sorted(name for name in info["unexpected_keys"] if "encoder.layer." in name):
        raise UserError(f"{refusal}: it has {left[0]}, and by its config.json none.")
    return model, sorted(info["missing_keys"])
