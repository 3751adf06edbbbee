"""Aligned line files in Moses format, as OPUS serves them: line n of one translates the other's."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.data.lines import COMPRESSED, count, lines
from electralab.data.matching import matching, no_file
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import Columns

ROLES = ("source", "target")  # in the order of the files


def pair(value: str | list[str], *, columns: Columns, key: str) -> list[Path]:
    """Returns the source file and the target file.

    Args:
        value: The two files in this order; or a folder, a glob or a prefix in which exactly one
            file ends in ``.SOURCE`` and one in ``.TARGET``, or in ``.SOURCE.gz`` and so on.
        columns: The configuration's `data.columns`: there, ``source`` and ``target`` are those
            endings, such as ``en`` and ``fr`` of ``KDE4.en-fr.en`` and ``KDE4.en-fr.fr``.
        key: The key to name in a message.

    Raises:
        UserError: Not two files.
    """
    if isinstance(value, str):
        return _ending(os.path.expanduser(value), value, columns, key)
    if len(value) != 2:
        raise UserError(
            f"`{key}` must be two aligned files, the source and the target, but is {len(value)}; "
            f"write {key}=[SOURCE,TARGET]."
        )
    found = [Path(os.path.expanduser(path)) for path in value]
    looked = [no_file(str(path), key=key, shown=str(path)) for path in found]
    problems = [problem for problem in looked if problem]
    if found[0] == found[1]:
        problems.append(f"`{key}` must be two files, but both are {found[0]}.")
    if problems:
        raise UserError(problems)
    return found


def _ending(path: str, shown: str, columns: Columns, key: str) -> list[Path]:
    if os.path.isdir(path):
        pattern = os.path.join(glob.escape(path), "*")
    else:
        pattern = path if glob.has_magic(path) else glob.escape(path) + ".*"
    files = [str(file) for file in matching(pattern)]
    found = []
    for role in ROLES:
        ending = getattr(columns, role)
        endings = tuple(f".{ending}{compressed}" for compressed in ("", *COMPRESSED))
        matches = [file for file in files if file.endswith(endings)]
        if len(matches) != 1:
            names = ", ".join(map(os.path.basename, matches or files)) or "none"
            raise UserError(
                f"`{key}` must mean one file that ends in .{ending} (`data.columns.{role}`), but "
                f"{shown} means {names}; set `data.columns.source` and `.target` to the endings "
                f"of your files, or write {key}=[SOURCE,TARGET]."
            )
        found.append(Path(matches[0]))
    return found


def uneven(files: list[Path], *, key: str) -> str | None:
    """Returns the problem of two files that are not aligned, for their lines are not as many."""
    source, target = (count(file) for file in files)
    if source == target:
        return None
    return (
        f"`{key}` must be two aligned files with as many lines, but {files[0]} has {source} and "
        f"{files[1]} has {target}; align them anew."
    )


def examples(files: list[Path], *, roles: list[str], key: str) -> Iterator[list[str | None]]:
    """Yields the lines that belong together, in the order of the roles.

    Args:
        files: The source and the target, as of `pair`.
        roles: ``source`` and ``target``, in the order wanted.
        key: The key to name in a message.

    Raises:
        UserError: One file has more lines than the other, or is no UTF-8.
    """
    problem = uneven(files, key=key)
    if problem:
        raise UserError(problem)
    order = [ROLES.index(role) for role in roles]
    for both in zip(lines(files[0]), lines(files[1]), strict=True):
        yield [both[at].rstrip("\r\n") for at in order]
