"""Which files a path, folder, glob or list of them means."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from electralab.errors import UserError

SUFFIXES = {
    "text": (".txt", ".text"),
    "csv": (".csv", ".tsv", ".txt"),
    "json": (".jsonl", ".json", ".ndjson"),
    "parquet": (".parquet", ".pq"),
}
FILE_SOURCES = tuple(SUFFIXES)


def find(paths: str | list[str], *, source: str, key: str = "data.path") -> list[Path]:
    """Returns the files that a value of `data.path` means, in the order given, folders sorted.

    Args:
        paths: A file, a folder (searched through, by the endings of the source), a glob, or a list.
        source: ``text``, ``csv``, ``json`` or ``parquet``.
        key: The key to name in a message.

    Raises:
        UserError: Of each path that means no file.
    """
    found: list[Path] = []
    problems: list[str] = []
    for path in [paths] if isinstance(paths, str) else paths:
        expanded = os.path.expanduser(path)
        if os.path.isdir(expanded):
            files = [
                file
                for file in sorted(Path(expanded).rglob("*"))
                if file.suffix.lower() in SUFFIXES[source] and _visible(file, expanded)
            ]
            if not files:
                endings = ", ".join(SUFFIXES[source])
                problems.append(
                    f"`{key}` must hold files ending in {endings}, but the folder {path} has none."
                )
        elif os.path.exists(expanded):
            files = [Path(expanded)]
        elif glob.has_magic(expanded):
            matches = sorted(glob.glob(expanded, recursive=True))
            files = [Path(match) for match in matches if os.path.isfile(match)]
            if not files:
                problems.append(f"`{key}` must match files, but {path} matches none.")
        else:
            files = []
            problems.append(f"`{key}` must be a file that exists, but {path} does not.")
        found += [file for file in files if file not in found]
    if problems:
        raise UserError(problems)
    return found


def looks_like_a_path(name: str) -> bool:
    """Says whether a name can be nothing but a path: the hub has at most one slash."""
    return name.startswith((".", "/", "~", "\\")) or name.count("/") > 1 or name.endswith("/")


def held_out(data) -> dict[str, float | str]:
    """Returns the shares, files or hub splits of ``validation`` and ``test``, where they are set.

    Args:
        data: The configuration's `data` node.
    """
    given = {"validation": data.split.validation, "test": data.split.test}
    return {name: value for name, value in given.items() if value not in (None, 0)}


def _visible(file: Path, root: str) -> bool:
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
