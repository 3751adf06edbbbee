"""Which files a glob means, and why a path is no file."""

from __future__ import annotations

import glob
import os
import re
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def matching(pattern: str) -> list[Path]:
    """Returns the files that a glob matches, sorted; behind ``**`` no hidden ones.

    ``**`` does not follow links to folders: two that lead to the folder they stand in would be
    followed for ever.
    """
    parts = Path(pattern).parts
    at = parts.index("**") if "**" in parts else len(parts)
    found = glob.glob(os.path.join(os.curdir, *parts[:at]))
    if inner := [part if part == "**" else re.sub(r"\*+", "*", part) for part in parts[at:]]:
        inner += ["*"] if inner[-1] == "**" else []  # else folders alone
        found = [
            str(path)
            for root in found
            for path in Path(root).glob(os.path.join(*inner))
            if visible(path, root)
        ]
    return [Path(path) for path in sorted(set(found)) if os.path.isfile(path)]


def visible(file: Path, root: str) -> bool:
    """Says whether a path is a file that no hidden folder below the root holds."""
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)


def no_file(path: str, *, key: str, shown: str) -> str | None:
    """Returns the problem of a path that is no file which can be read again and again.

    Args:
        path: Itself, with ``~`` expanded.
        key: The key to name.
        shown: The path as it was typed.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (FileNotFoundError, ValueError):  # or a NUL in its name
        return f"`{key}` must be a file that exists, but {shown} does not."
    except OSError as error:
        return f"`{key}` must be a file that can be read, but {shown} cannot: {error.strerror}."
    if kind == stat.S_IFREG:
        return None
    hint = "" if kind == stat.S_IFDIR else "; write what it gives to a file first"
    return f"`{key}` must be a file, but {shown} is {_KINDS.get(kind, 'none')}{hint}."
