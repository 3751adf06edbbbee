"""The configuration of a rerun: that of the run, and what was typed after it."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from electralab.command.hydra_messages import syntax
from electralab.command.stages import OPEN_NODES
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.rerunning.recorded import Recorded

_COMMIT = re.compile("[0-9a-f]{40}")  # of the hub; the SHA-256 of a folder is longer


def changed(config: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """Returns a configuration with other values.

    Args:
        config: Nested mappings; left as they are.
        words: As typed, such as ``seed=7``.

    Raises:
        UserError: With a line for each word that is no value of a key there.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import OverrideType
    from hydra.errors import HydraException

    container = copy.deepcopy(config)
    problems = []
    for word in words:
        try:
            [override] = OverridesParser.create().parse_overrides([word])
        except HydraException as error:
            problems.append(syntax(word, error))
            continue
        key = override.key_or_group
        plain = override.type is OverrideType.CHANGE and not override.is_sweep_override()
        if not plain or override.package is not None:
            problems.append(
                f"`{word}` must set one value of a rerun, such as seed=7; whatever else is to be "
                "chosen or swept belongs to a command of its own."
            )
            continue
        *nodes, last = key.split(".")
        node: Any = container
        for name in nodes:
            node = node.get(name) if isinstance(node, dict) else None
        known = isinstance(node, dict) and (last in node or key.startswith(OPEN_NODES))
        if not known:
            problems.append(f"`{key}` must be a key of the run, but it has none of that name.")
        elif isinstance(node.get(last), dict):
            problems.append(
                f"`{key}` chooses files, whose other values would be lost in a rerun; set the "
                f"values one by one, such as {key}.{next(iter(node[last]), 'name')}=…"
            )
        else:
            node[last] = override.value()
    if problems:
        raise UserError(problems)
    return container


def pin(container: dict[str, Any], recorded: Recorded) -> None:
    """Takes the hub's data and model at the commits that the run had, where newer ones are there.

    Args:
        container: The configuration of the rerun, which is changed.
        recorded: The run.
    """
    starts = recorded.identity.get("starts")
    for node, kind, name in (("data", "dataset", "name"), ("model", "model", "name_or_path")):
        then = starts.get(node) if isinstance(starts, dict) else None
        here, before = container.get(node), recorded.config.get(node)
        if not (isinstance(then, str) and isinstance(here, dict) and isinstance(before, dict)):
            continue
        keys = (name, "revision", "subset", "source", "generator")
        kept = all(here.get(key) == before.get(key) for key in keys)
        if _COMMIT.fullmatch(then) and kept and isinstance(here.get(name), str):
            from electralab.data.hub import commit

            if commit(here[name], here.get("revision"), kind=kind) != then:
                here["revision"] = then
