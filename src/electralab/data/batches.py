"""Documents in batches of about equal size: long ones take no more memory than short ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

CHARACTERS = 1 << 18  # a batch ends with the document that reaches so many
DOCUMENTS = 5000  # or with so many documents
FEW = 1 << 16  # characters of a batch that is worth its while
ROWS = 4096  # of a table taken in one go
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


def together(parts: Iterable[list[list[str | None]]]) -> Iterator[list[list[str | None]]]:
    """Yields columns as they come, small ones put together, as of many short files."""
    waiting: list[list[list[str | None]]] = []
    characters = 0
    for part in parts:
        waiting.append(part)
        characters += sum(len(text) for column in part for text in column if text)
        if characters >= FEW:
            yield _joined(waiting)
            waiting, characters = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[list[list[str | None]]]) -> list[list[str | None]]:
    return [list(chain.from_iterable(column)) for column in zip(*parts, strict=True)]


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


def pages(
    documents: Dataset, *, keep: np.ndarray | None = None, rows: int = ROWS
) -> Iterator[pa.Table]:
    """Yields a table of texts, a few rows at a time, where they lie.

    Args:
        documents: The table.
        keep: Whether a row is wanted, of shape ``(rows,)``; none: all are.
        rows: Of a page at most; those with long texts have fewer.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = documents.with_format("arrow")
    for start in range(0, len(documents), rows):
        if keep is not None and not keep[start : start + rows].any():
            continue
        window = table[start : start + rows]
        sizes = sum(pc.binary_length(column).fill_null(0).to_numpy() for column in window.columns)
        ends = np.cumsum(sizes)
        first = 0
        while first < len(window):
            enough = (ends[first - 1] if first else 0) + CHARACTERS
            last = max(first + 1, int(np.searchsorted(ends, enough)))
            page = window.slice(first, last - first)
            if keep is not None:
                page = page.filter(pa.array(keep[start + first : start + last], pa.bool_()))
            if len(page):
                yield page
            first = last
