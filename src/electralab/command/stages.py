"""What the words of a command mean for the two stages of a chain."""

from __future__ import annotations

import re

STAGES = ("adapt", "finetune")
GROUPS = ("task", "model", "data", "trainer")
# Nodes with names that are not in the YAML: of the installed Transformers, and of languages.
OPEN_NODES = tuple(
    f"{stage}{node}."
    for stage in ("", *(f"{s}." for s in STAGES))
    for node in ("trainer", "data.columns")
)

_CHOICE = re.compile(rf"^(\+*)({'|'.join(STAGES)})\.({'|'.join(GROUPS)})=(?!\{{)")
_OPENED = re.compile(rf"^(\+*)({'|'.join(GROUPS)})@({'|'.join(STAGES)})\.\2=")
_KEY = re.compile(rf"^(?:\+*)(?:(?:{'|'.join(GROUPS)})@)?((?:{'|'.join(STAGES)})\b[\w.]*)")


def opened(word: str) -> str:
    """Says in Hydra's words which option a stage's group has: ``data@adapt.data=text``."""
    return _CHOICE.sub(r"\1\3@\2.\3=", word)


def as_typed(word: str) -> str:
    """Undoes `opened`."""
    return _OPENED.sub(r"\1\3.\2=", word)


def without_a_chain(word: str) -> str | None:
    """Says that a stage's key was typed where there are no stages; none: it is no such key."""
    if match := _KEY.match(word):
        return (
            f"`{match[1]}` is a key of a chain; choose one before, such as "
            "experiment=adapt_then_classify."
        )
    return None


def without_a_stage(word: str) -> str | None:
    """Says that a key must name its stage in a chain; none: it needs none."""
    key = word.lstrip("+~").partition("=")[0]
    if key.partition(".")[0] not in GROUPS:
        return None
    return (
        f"`{key}` must name its stage in a chain, but does not; write {STAGES[0]}.{key} or "
        f"{STAGES[1]}.{key}."
    )
