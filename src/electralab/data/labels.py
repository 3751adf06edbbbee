"""Labels as values: what their classes are called, which are the same, and how they are ordered."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,99}))(?:\.0+)?")  # 007 is a name


def value_of(label: str) -> Any:
    """Returns the value whose JSON a table holds under the role ``label``."""
    return json.loads(label)


def class_name(value: Any) -> str:
    """Returns what a class is called, whatever the format of the file writes for it.

    Numbers and truth values are the same class as their texts, which is all that csv has.

    Example:
        >>> [class_name(value) for value in (1, 1.0, "1", "1.0", True, "True", "yes ")]
        ['1', '1', '1', '1', 'true', 'true', 'yes ']
    """
    if isinstance(value, str):
        lower = value.lower()
        if lower in ("false", "true"):
            return lower
        whole = _WHOLE.fullmatch(value)
        return value if whole is None else str(int(whole[1]))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def declared_names(labels: Iterable[str | int | bool]) -> list[str]:
    """Returns the names of declared classes: texts as they were typed."""
    return [label if isinstance(label, str) else class_name(label) for label in labels]


def ordered(names: Iterable[str]) -> list[str]:
    """Returns names in the order of their ids: numbers by value, then texts; false before true."""
    return sorted(names, key=lambda n: (0, int(n), n) if _WHOLE.fullmatch(n) else (1, 0, n))


def number(value: Any) -> float | None:
    """Returns a score; None if the value is no finite number, nor the text of one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def parts(value: Any, *, separator: str) -> list[str]:
    """Returns the classes of an example that can have several, each once.

    Args:
        value: A list of labels, or a text with separators between them.
        separator: Stands between the labels of a text; blanks around it do not count.
    """
    if isinstance(value, str):
        value = [part for part in map(str.strip, value.split(separator)) if part]
    elif not isinstance(value, list):
        value = [value]
    return list(dict.fromkeys(map(class_name, value)))


def lookalikes(counts: Counter[str]) -> tuple[str, str] | None:
    """Returns two names that differ by nothing but blanks or case, the more frequent first."""
    seen: dict[str, str] = {}
    for name, _ in counts.most_common():
        folded = " ".join(name.split()).casefold()
        if folded in seen:
            return seen[folded], name
        seen[folded] = name
    return None
