"""The lines of a UTF-8 file, compressed or not; what is no text is one line with its place."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from electralab.errors import UserError, one_line

CHUNK = 1 << 20  # bytes read in one go
LONGEST = 1 << 28  # bytes of a line: a file of other content may have no line ends at all
COMPRESSED = {".gz": "gzip", ".zst": "Zstandard"}


def lines(path: Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 file with their ends; a byte order mark is left out.

    Raises:
        UserError: The file is binary or no UTF-8, with the line and the byte where it goes wrong;
            or it is compressed and damaged.
    """
    with opened(path) as file:
        yield from decoded(file, path)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to be read; one that ends in ``.gz`` or ``.zst`` is decompressed on the way.

    Raises:
        UserError: A compressed file is damaged, at once or while it is read.
        OSError: The file cannot be opened.
    """
    kind = COMPRESSED.get(path.suffix.lower())
    try:
        with _stream(path, kind) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        if kind is None or getattr(error, "errno", None):  # of the machine, not of the content
            raise
        raise UserError(
            f"{path}: the file must be whole and compressed with {kind}, as its ending says, but: "
            f"{one_line(error)}."
        ) from None


def _stream(path: Path, kind: str | None) -> Any:
    if kind is None:
        return open(path, "rb")
    if kind == "gzip":
        return gzip.open(path, "rb")
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"), CHUNK)


def plain(path: Path) -> Path:
    """Returns what a file is called without the ending that says how it is compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSED else path


def decoded(file: BinaryIO, name: object) -> Iterator[str]:
    """Yields the lines of a stream likewise.

    Args:
        file: What is read.
        name: What messages call it.

    Raises:
        UserError: It is binary or no UTF-8, or a line never ends.
    """
    position = 0
    for number, line in enumerate(iter(partial(file.readline, LONGEST), b""), start=1):
        if b"\0" in line:
            raise UserError(binary(name, number))
        if len(line) == LONGEST:
            raise UserError(
                f"{name}, line {number}: a line must be shorter than {LONGEST:,} bytes, but is "
                "not; break it into lines."
            )
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = position + error.start + 1
            raise UserError(not_utf8(name, number, byte, line[error.start])) from None
        position += len(line)
        yield text.removeprefix("\ufeff") if number == 1 else text


def count(path: Path) -> int:
    """Returns how many lines `lines` would give, at the speed of the disk."""
    ends, last = 0, b"\n"
    with opened(path) as file:
        while chunk := file.read(CHUNK):
            ends += chunk.count(b"\n")
            last = chunk[-1:]
    return ends + (last != b"\n")


def binary(path: object, line: int) -> str:
    """Returns the problem of a file that is no text."""
    return (
        f"{path}, line {line}: the file must be UTF-8 text, but holds a NUL byte, as binary files "
        "and UTF-16 do; save it as UTF-8."
    )


def not_utf8(path: object, line: int, byte: int, value: int) -> str:
    """Returns the problem of a byte that is no UTF-8; lines and bytes count from 1."""
    return (
        f"{path}, line {line}, byte {byte}: the file must be UTF-8, but holds 0x{value:02x} here; "
        "save it as UTF-8."
    )


def encodable(text: str) -> str:
    """Returns a text without lone surrogates, which JSON can hold and UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "ignore").decode("utf-8")
    return text
