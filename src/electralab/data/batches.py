"""Documents in batches of about equal size: long ones take no more memory than short ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

CHARACTERS = 1 << 20  # a batch ends with the document that reaches so many
DOCUMENTS = 5000  # or with so many documents
ROWS = 256  # of a table taken in one go
PIECE = 1 << 20  # characters of a document that are tokenised in one go


def batches(texts: Iterable[str | None]) -> Iterator[list[str | None]]:
    """Yields documents in order, many at a time; only a last document can make a batch long."""
    batch: list[str | None] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text or "")
        if characters >= CHARACTERS or len(batch) >= DOCUMENTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def column_batches(
    examples: Iterable[Sequence[str | None]], parts: int
) -> Iterator[list[list[str | None]]]:
    """Yields the columns of many examples at a time; only a last example can make a batch long.

    Args:
        examples: The same number of texts each; None is a part without text.
        parts: That number.
    """
    columns: list[list[str | None]] = [[] for _ in range(parts)]
    characters = 0
    for example in examples:
        for column, text in zip(columns, example, strict=True):
            column.append(text)
            characters += len(text or "")
        if characters >= CHARACTERS or len(columns[0]) >= DOCUMENTS:
            yield columns
            columns, characters = [[] for _ in range(parts)], 0
    if columns[0]:
        yield columns


def pieces(text: str) -> Iterator[str]:
    """Yields a text in pieces of bounded length, for a tokenizer takes a hundred bytes a character.

    They begin with a blank where they can, as words do whose pieces do not depend on what is
    before.

    Example:
        >>> list(pieces("a text")) == ["a text"]
        True
    """
    start = 0
    while len(text) - start > PIECE:
        blank = text.rfind(" ", start + 1, start + PIECE)
        end = blank if blank > 0 else start + PIECE
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def each(documents: Dataset) -> Iterator[str | None]:
    """Yields the column ``text`` of a table, a few rows in memory at a time."""
    for start in range(0, len(documents), ROWS):
        yield from documents[start : start + ROWS]["text"]
