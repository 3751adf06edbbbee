"""Refusing a ``config.json`` that asks for memory, code or weights that a checkpoint does not."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from transformers import PretrainedConfig, initialization

from electralab.checking.local_models import config_damage, elements
from electralab.errors import UserError, one_line

_BUFFERS = 1 << 28  # elements, such as positions and masks, which no file of weights holds
_FRESH = 1 << 24  # elements of a head that the weights may lack, and of positions


def check_content(name_or_path: str | Path, *, refusal: str, revision: str | None = None) -> None:
    """Refuses what a ``config.json`` may not choose, before a configuration is made of it.

    Args:
        name_or_path: Hub name or folder.
        refusal: How a message begins.
        revision: Commit, tag or branch on the hub.

    Raises:
        UserError: It names quantised weights, other files, or sizes that no model has.
    """
    try:
        content, _ = PretrainedConfig.get_config_dict(name_or_path, revision=revision)
    except Exception:  # who loads it says why
        return
    if reason := config_damage(content):
        raise UserError(f"{refusal}: its config.json {reason}.")


def why(error: BaseException) -> str:
    """Returns in one line why a loader of Transformers gave up."""
    if "trust_remote_code" in str(error):
        return "it needs code that comes with it, which is never run"
    return one_line(error)


def forget_attention(config: PretrainedConfig) -> None:
    """Drops what a ``config.json`` says of attention, which may be the name of code on the hub."""
    config._attn_implementation = None
    for name in config.sub_configs:
        if isinstance(part := getattr(config, name, None), PretrainedConfig):
            forget_attention(part)


def check_size(cls: type, source: str | Path, *, config: PretrainedConfig, refusal: str) -> None:
    """Refuses sizes that the weights of a folder do not have, before memory is taken for them.

    Args:
        cls: Class of the model.
        source: Hub name or folder.
        config: Configuration of the model.
        refusal: How a message begins.

    Raises:
        UserError: The model would be larger than its weights, or than the machine.
    """
    try:
        with (
            torch.random.fork_rng(devices=[]),
            initialization.no_init_weights(),
            torch.device("meta"),
        ):
            model = cls(config)
    except Exception as error:  # whatever sizes that contradict each other bring about
        raise UserError(f"{refusal}: {one_line(error)}.") from error
    wanted = sum(tensor.numel() for tensor in model.parameters())
    buffers = sum(tensor.numel() for tensor in model.buffers())
    held = elements(Path(source))
    # An output table may be missing that is as large as the rest; memory is that of float32.
    most = 2 * held + _FRESH if held else _memory() // 4
    if wanted > most or buffers > _BUFFERS:
        raise UserError(
            f"{refusal}: by its config.json it has {wanted + buffers:,} numbers, and its weights "
            f"have {held:,}."
        )


def _memory() -> int:
    """Returns the bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
