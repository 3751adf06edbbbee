"""Reading files that anyone may have written, with bounded memory and in bounded time."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

LARGEST = 256 << 20  # bytes; a tokenizer of a million pieces has some 50 MB


def read_text(path: Path, *, most: int = LARGEST) -> str:
    """Reads a regular file of UTF-8.

    Args:
        path: The file; a link to one will do.
        most: Bytes that it may have.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no UTF-8, too large, or no regular file: a pipe never ends, and a device
            such as ``/dev/zero`` fills the memory.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return path.read_text(encoding="utf-8")


def parse_json(text: str | bytes) -> Any:
    """Parses JSON.

    Raises:
        ValueError: It is none, or nested more deeply than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, too large, or no regular file.
    """
    return parse_json(read_text(path))
