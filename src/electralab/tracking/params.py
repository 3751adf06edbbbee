"""A composed configuration as the flat parameters of a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from electralab.tracking.redaction import mask_value

MAX_PARAM = 6000  # characters of a parameter's value that MLflow accepts
MAX_TAG = 5000  # of a tag's; newer versions take 8000, older servers 5000


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens a configuration to dotted keys and text as one would type it on the command line.

    Lists become JSON, numbers, booleans and null their YAML form. Credentials are hidden.

    >>> flatten({"task": {"mask_prob": 0.15}, "data": {"path": ["a", "b"], "limit": None}})
    {'task.mask_prob': '0.15', 'data.path': '["a", "b"]', 'data.limit': 'null'}

    Raises:
        ValueError: If two entries flatten to the same key.
    """
    flat: dict[str, str] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            entries = flatten(value, f"{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            entries = {key: mask_value(key, text)}
        for entry, text in entries.items():
            if entry in flat:
                raise ValueError(f"two entries of the configuration are called `{entry}`")
            flat[entry] = text
    return flat


def entity_key(key: str) -> str:
    """A name that MLflow accepts for a parameter, metric or tag."""
    return re.sub(r"[^\w.\- :/]", "_", key)


def shorten(flat: Mapping[str, str], *, limit: int, folder: str) -> tuple[dict, dict]:
    """Moves values that the store would cut into files.

    Args:
        flat: Keys and values.
        limit: Characters that a value may have.
        folder: Artifact folder for the long ones.

    Returns:
        What to store under each key, and the long values by the artifact path that holds them.
    """
    short: dict[str, str] = {}
    files: dict[str, str] = {}
    for key, text in flat.items():
        if len(text) <= limit:
            short[entity_key(key)] = text
            continue
        path = f"{folder}/{re.sub(r'[^A-Za-z0-9_.-]', '_', key)}.txt"
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        files[path] = text
        short[entity_key(key)] = (
            f"{len(text)} characters, whole in artifact {path}, sha256 {digest}"
        )
    return short, files
