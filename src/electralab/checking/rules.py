"""Rules between keys, and which of them can be asked where some keys are wrong already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

# The keys that a rule judges, and its problems, one line each. Generators are asked lazily.
Rule = tuple[tuple[str, ...], Iterable[str]]


def ask(rules: Iterable[Rule], *, refused: Collection[str]) -> Iterator[str]:
    """Yields the problems of all rules that judge nothing which was refused.

    A refused key holds a stand-in, so that the others can be checked; what a rule said of that
    would be said of a value which nobody has set.

    Args:
        rules: The keys that each judges, and its problems.
        refused: Keys that were refused, with dots; a node stands for all of its keys.
    """
    for keys, problems in rules:
        if not any(_inside(key, node) for key in keys for node in refused):
            yield from problems


def _inside(key: str, node: str) -> bool:
    return key == node or key.startswith(f"{node}.")
