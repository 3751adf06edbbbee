"""The lines of a UTF-8 file; what is no text is one line with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from electralab.errors import UserError

CHUNK = 1 << 20  # bytes read in one go


def lines(path: Path) -> Iterator[str]:
    """Yields the lines of a UTF-8 file with their ends; a byte order mark is left out.

    Raises:
        UserError: The file is binary or no UTF-8, with the line and the byte where it goes wrong.
    """
    with open(path, "rb") as file:
        yield from decoded(file, path)


def decoded(file: Iterable[bytes], name: object) -> Iterator[str]:
    """Yields the lines of a stream likewise.

    Args:
        file: Its lines with their ends.
        name: What messages call it.

    Raises:
        UserError: It is binary or no UTF-8.
    """
    position = 0
    for number, line in enumerate(file, start=1):
        if b"\0" in line:
            raise UserError(binary(name, number))
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
    with open(path, "rb") as file:
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
