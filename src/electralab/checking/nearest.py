"""The nearest of the names there are, for messages about a name there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Returns the name most like a word, or nothing if none is like it.

    >>> nearest("electra_tny", ["electra_tiny", "electra_base"])
    'electra_tiny'
    """
    by_plain = {name.lower().replace("-", "_"): name for name in sorted(names)}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Returns the end of a message: the nearest name, or all of them where they are few."""
    names = sorted(set(names))
    if found := nearest(word, names):
        return f"; did you mean `{found}`?"
    if 0 < len(names) <= 12:
        return f"; there are {', '.join(f'`{name}`' for name in names)}."
    return "."
