"""What is typed and what Hydra reads: shorter words, and the way back for records and messages."""

from __future__ import annotations

import re

from electralab.command import stages

_OPEN = tuple(f"++{node}" for node in stages.OPEN_NODES)
# A run may be called 2026, 1.5 or nan, which Hydra reads as numbers unless they are quoted.
_NAME = re.compile(r"(\+*name=)(?!null$)([\w.+-]+)", re.IGNORECASE)
_QUOTED_NAME = re.compile(r"(\+*name=)'([\w.+-]+)'")


def opened(overrides: list[str]) -> list[str]:
    """Says in Hydra's words what our shorter ones mean.

    Names of `trainer` that are not in the YAML need no `+` before them, a recipe reaches all
    groups without a `# @package _global_`, so that its first line can be its command, the stages of
    a chain choose their options as a run does, and a `name` is a text whatever it looks like.
    """
    return [_opened(word) for word in overrides]


def as_typed(overrides: list[str]) -> list[str]:
    """Undoes `opened`, for records and messages."""
    return [_as_typed(word) for word in overrides]


def _opened(word: str) -> str:
    if word.startswith(stages.OPEN_NODES):
        return f"++{word}"
    if word.lstrip("+~").startswith("experiment="):
        return word.replace("experiment=", "experiment@_global_=", 1)
    if name := _NAME.fullmatch(word):
        return f"{name[1]}'{name[2]}'"
    return stages.opened(word)


def _as_typed(word: str) -> str:
    if word.startswith(_OPEN):
        return word.removeprefix("++")
    if name := _QUOTED_NAME.fullmatch(word):
        return f"{name[1]}{name[2]}"
    return stages.as_typed(word.replace("experiment@_global_", "experiment", 1))
