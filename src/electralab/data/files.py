"""Which files a path, folder, glob or list of them means."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.data import moses
from electralab.data.lines import plain
from electralab.data.matching import matching, no_file, visible
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import DataConfig

SUFFIXES = {
    "text": (".txt", ".text"),
    "csv": (".csv", ".tsv", ".txt"),
    "json": (".jsonl", ".json", ".ndjson"),
    "parquet": (".parquet", ".pq"),
}
FILE_SOURCES = (*SUFFIXES, "moses")


def by_split(data: DataConfig) -> tuple[dict[str, list[Path]], list[str]]:
    """Returns the files of each split that has files of its own, and a line a path without any.

    Args:
        data: The configuration's `data` node, of a source in `FILE_SOURCES`. Of `moses` a split
            has two files, the source and the target.
    """
    wanted = {"train": data.path}
    wanted |= {split: value for split, value in held_out(data).items() if isinstance(value, str)}
    found: dict[str, list[Path]] = {}
    problems: list[str] = []
    for split, value in wanted.items():
        try:
            if value is None:
                continue
            if data.source == "moses":
                found[split] = moses.pair(value, columns=data.columns, key=key_of(split))
            else:
                found[split] = find(value, source=data.source, key=key_of(split))
        except UserError as error:
            problems += error.problems
    return found, problems


def key_of(split: str) -> str:
    """Returns the key under which the files of a split stand."""
    return "data.path" if split == "train" else f"data.split.{split}"


def find(paths: str | list[str], *, source: str, key: str = "data.path") -> list[Path]:
    """Returns the files that a value of `data.path` means, in the order given, folders sorted.

    Args:
        paths: A file, a folder (searched through, by the endings of the source, of lines also with
            ``.gz`` or ``.zst`` behind them), a glob, or a list.
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
                if _ending(file, source) in SUFFIXES[source] and visible(file, expanded)
            ]
            if not files:
                endings = ", ".join(SUFFIXES[source])
                problems.append(
                    f"`{key}` must hold files ending in {endings}, but the folder {path} has none."
                )
        elif glob.has_magic(expanded) and not os.path.exists(expanded):
            files = matching(expanded)
            if not files:
                problems.append(f"`{key}` must match files, but {path} matches none.")
        else:
            problem = no_file(expanded, key=key, shown=path)
            files = [] if problem else [Path(expanded)]
            problems += [problem] if problem else []
        found += [file for file in files if file not in found]
    if problems:
        raise UserError(problems)
    return found


def looks_like_a_path(name: str) -> bool:
    """Says whether a name can be nothing but a path: the hub has at most one slash."""
    return name.startswith((".", "/", "~", "\\")) or name.count("/") > 1 or name.endswith("/")


def held_out(data: DataConfig) -> dict[str, float | str]:
    """Returns the shares, files or hub splits of ``validation`` and ``test``, where they are set.

    Args:
        data: The configuration's `data` node.
    """
    given = {"validation": data.split.validation, "test": data.split.test}
    return {name: value for name, value in given.items() if value not in (None, 0)}


def _ending(file: Path, source: str) -> str:
    return (file if source == "parquet" else plain(file)).suffix.lower()
