"""Texts of others on a person's terminal."""

from __future__ import annotations

# All that can move a cursor, change a title or type for a person; tabs and line ends stay.
_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"
}


def visible(text: str) -> str:
    r"""Writes control characters out, so that a terminal does not obey them.

    >>> visible("a \x1b[2J")
    'a \\x1b[2J'
    """
    return text.translate(_CONTROL)
