"""A composed configuration as plain values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from electralab.command import hydra_messages

_MOST = 2_000  # references; a configuration has some dozens


@contextmanager
def few_interpolations() -> Iterator[None]:
    """Bounds how many ``${…}`` are looked up: some lines that each name another one twice or more
    come to more text than fits into memory.
    """
    found = Container.resolve_parse_tree
    left = itertools.count(_MOST, -1)

    def resolve(self: Container, *args: Any, **kwargs: Any) -> Any:
        if next(left) <= 0:
            raise InterpolationResolutionError(f"it needs more than {_MOST:,} references")
        return found(self, *args, **kwargs)

    Container.resolve_parse_tree = resolve
    try:
        yield
    finally:
        Container.resolve_parse_tree = found


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

    with few_interpolations():
        return plain(config, ""), problems
