"""A composed configuration as plain values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from electralab.command import hydra_messages
from electralab.tracking.redaction import is_secret_variable

_MOST = 500  # references; a configuration has some dozens


class TooManyReferences(InterpolationResolutionError):
    """What stops the looking up of values."""


@contextmanager
def few_interpolations() -> Iterator[None]:
    """Bounds how many ``${…}`` are looked up: some lines that each name another one twice or more
    come to more text than fits into memory.
    """
    found = Container.resolve_parse_tree
    left = itertools.count(_MOST, -1)

    def resolve(self: Container, *args: Any, **kwargs: Any) -> Any:
        if next(left) <= 0:
            raise TooManyReferences(f"it needs more than {_MOST:,} references")
        return found(self, *args, **kwargs)

    Container.resolve_parse_tree = resolve
    try:
        yield
    finally:
        Container.resolve_parse_tree = found


def _secret(node: Any) -> str | None:
    """Returns the variable with a credential that a value refers to; none: there is none."""
    raw = node._value() if node is not None else None
    if isinstance(raw, list):
        raw = OmegaConf.to_container(node, resolve=False)
    elif not isinstance(raw, str):
        return None
    found = re.findall(r"oc\.env:\s*['\"]?(\w+)", str(raw))
    return next(filter(is_secret_variable, found), None)


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
            # The address of a store needs one, and is recorded without.
            if (variable := _secret(node._get_node(name))) and key != "tracking.uri":
                problems[key] = hydra_messages.secret(key, variable)
                continue
            try:
                value = node[name]
                if OmegaConf.is_dict(value):
                    value = plain(value, f"{key}.")
                elif OmegaConf.is_list(value):
                    value = OmegaConf.to_container(value, resolve=True)
            except TooManyReferences as error:  # nor can any other be looked up
                problems.setdefault("", hydra_messages.interpolation(key, error))
                continue
            except OmegaConfBaseException as error:
                problems[key] = hydra_messages.interpolation(key, error)
                continue
            found[str(name)] = value
        return found

    with few_interpolations():
        return plain(config, ""), problems
