"""The settings in which runs differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from electralab.checking.signature import settings
from electralab.comparing.results import SEED
from electralab.tracking.params import flatten

_NAME = "name"  # of the experiment, which decides nothing
ABSENT = "—"


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what decides what a run computes, by dotted keys.

    Args:
        config: A configuration as nested mappings, or as the flat texts that a store keeps.
    """
    nested: dict[str, Any] = {}
    for key, value in config.items():
        *nodes, last = key.split(".")
        node = nested
        for name in nodes:
            node = node.setdefault(name, {})
        node[last] = value
    kept = flatten(settings(nested))
    return {key: read(text) for key, text in kept.items() if key != _NAME}


def read(text: str) -> Any:
    """Returns the value that a text as of the command line means.

    >>> read("1e-05"), read("null"), read("electra_tiny")
    (1e-05, None, 'electra_tiny')
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # NaN is no setting, and a quoted text is one with quotes.
    return text if isinstance(value, str) or value != value else value


def show(value: Any) -> str:
    """Returns a value as one would type it.

    >>> show(0.15), show(None), show([1, 2]), show("electra_tiny")
    ('0.15', 'null', '[1, 2]', 'electra_tiny')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def differing(runs: Sequence[Mapping[str, Any]]) -> tuple[list[str], dict[str, list[str]]]:
    """Returns the keys in which runs differ, one of each set whose values change together.

    A wider model has other values for a dozen keys; one of them tells it apart.

    Args:
        runs: The settings of each.

    Returns:
        The keys, and for each the others that change with it, if there are any. `seed` stands for
        itself alone.
    """
    every = dict.fromkeys(key for run in runs for key in run)
    together: dict[tuple[int, ...], list[str]] = {}
    for key in every:
        shown = [show(run[key]) if key in run else None for run in runs]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(shown))}
        pattern = tuple(numbers[text] for text in shown)
        if len(numbers) > 1:
            together.setdefault((-1,) if key == SEED else pattern, []).append(key)
    keys = {alike[0]: alike[1:] for alike in together.values()}
    return list(keys), {key: others for key, others in keys.items() if others}


def with_all(runs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the settings of these keys alone; one that a run does not have is a dash."""
    return [{key: run.get(key, ABSENT) for key in keys} for run in runs]
