"""What the files of a data source hold, as a hash, where work is about to be taken over."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import embedded, files

if TYPE_CHECKING:
    from electralab.config import DataConfig


def contents(data: DataConfig) -> str:
    """Returns a SHA-256 of the files that a source reads, or of what stands for them.

    Of a stream those are their sizes and times, for they are not read through. Of the hub that is
    the name and the revision; of the embedded sources, the versions of the packages that they read.

    Args:
        data: The configuration's `data` node.
    """
    if data.source in embedded.COLUMNS:
        found: list = [embedded.version(data.source)]
    elif data.source == "hub" and not Path(data.name or "").is_dir():
        found = [data.name, data.subset, data.revision]
    else:
        found = [_modified(path) if data.streaming else _file(path) for path in _paths(data)]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def source_files(data: DataConfig) -> list[dict[str, Any]]:
    """Returns the path, the size in bytes and the SHA-256 of each file that a source reads.

    Of a stream, the time of its last change in nanoseconds stands for the SHA-256.

    Args:
        data: The configuration's `data` node; what reads no files of a person's has none.
    """
    found: list[dict[str, Any]] = []
    for path in _paths(data):
        known = {"modified": _modified(path)[1]} if data.streaming else {"sha256": _file(path)}
        found.append({"path": str(path), "size": path.stat().st_size, **known})
    return found


def _paths(data: DataConfig) -> list[Path]:
    if data.source in embedded.COLUMNS:
        return []
    if data.source == "hub":
        folder = Path(data.name or "")
        inside = sorted(folder.rglob("*")) if data.name and folder.is_dir() else []
        return [path for path in inside if path.is_file()]
    return [path for paths in files.by_split(data)[0].values() for path in paths]


def _modified(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _file(path: Path) -> str:
    status = path.stat()
    # The time of the last change of any kind cannot be set back, unlike that of the content.
    return _hashed(str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _hashed(path: str, *_state: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
