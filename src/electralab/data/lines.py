"""The lines of a UTF-8 file, compressed or not; what is no text is one line with its place."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from electralab.errors import UserError, one_line

CHUNK = 1 << 18  # bytes read in one go
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
    for block in blocks(file, name):
        yield from block


def blocks(file: BinaryIO, name: object, *, ends: bool = True) -> Iterator[list[str]]:
    """Yields the lines of a stream likewise, many at a time, with or without their ends."""
    position = number = 0  # bytes and lines that came before
    for block in _blocks(file, name):
        try:
            if b"\0" in block:
                raise ValueError
            found = block.decode("utf-8").split("\n")
        except ValueError:
            for lines in _one_by_one(block, name, position, number):
                yield lines if ends else [line.rstrip("\r\n") for line in lines]
            raise AssertionError(f"{name}: {block!r} holds no mistake") from None
        if not number:
            found[0] = found[0].removeprefix("\ufeff")
        position += len(block)
        last = found.pop()  # nothing, if the block ends with a line's end
        number += len(found) + bool(last)
        if ends:
            found = [f"{line}\n" for line in found]
        elif b"\r" in block:
            found, last = [line.rstrip("\r") for line in found], last.rstrip("\r")
        yield [*found, last] if block[-1:] != b"\n" else found


def _blocks(file: BinaryIO, name: object) -> Iterator[bytes]:
    """Yields pieces of a stream that end where a line does."""
    rest: list[bytes] = []  # the beginning of a line
    size = number = 0
    # What is typed, or comes through a pipe, is not waited for until it fills a piece.
    read = getattr(file, "read1", None) or file.read
    while chunk := read(CHUNK):
        cut = len(chunk) if b"\0" in chunk else chunk.rfind(b"\n") + 1
        if cut:
            block = b"".join([*rest, chunk[:cut]])
            yield block
            number += block.count(b"\n")
            rest, size = [], 0
        rest.append(chunk[cut:])
        size += len(chunk) - cut
        if size >= LONGEST:
            raise UserError(
                f"{name}, line {number + 1}: a line must be shorter than {LONGEST:,} bytes, but is "
                "not; break it into lines."
            )
    if size:
        yield b"".join(rest)


def _one_by_one(block: bytes, name: object, position: int, before: int) -> Iterator[list[str]]:
    """Yields the lines of a block up to the one that is wrong, and says what is."""
    for number, line in enumerate(io.BytesIO(block), start=before + 1):
        if b"\0" in line:
            raise UserError(binary(name, number))
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = position + error.start + 1
            raise UserError(not_utf8(name, number, byte, line[error.start])) from None
        position += len(line)
        yield [text.removeprefix("\ufeff") if number == 1 else text]


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
