"""A composed configuration as plain values."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from electralab.command import hydra_messages


def resolved(config: DictConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """Resolves value by value, so that one that cannot be leaves the others.

    Args:
        config: Of a point.

    Returns:
        Nested mappings without the node `hydra`, an unset value being ``???``; and for each key
        that cannot be resolved a line.
    """
    problems: dict[str, str] = {}

    def plain(node: DictConfig, prefix: str) -> dict[str, Any]:
        found = {}
        for name in node:
            key = f"{prefix}{name}"
            if key == "hydra":
                continue
            if OmegaConf.is_missing(node, name):
                found[name] = "???"
                continue
            try:
                value = node[name]
                if OmegaConf.is_dict(value):
                    value = plain(value, f"{key}.")
                elif OmegaConf.is_list(value):
                    value = OmegaConf.to_container(value, resolve=True)
            except OmegaConfBaseException as error:
                problems[key] = hydra_messages.interpolation(key, error)
                continue
            found[str(name)] = value
        return found

    return plain(config, ""), problems
