"""The texts of a split in their order, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from electralab.data.batches import CHARACTERS, DOCUMENTS, pages
from electralab.data.on_disk import Column, chunks

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from electralab.data.clean import Kept


class Texts:
    """What is kept of a table, in pages; a `Dataset.select` would hold eight bytes a row.

    Args:
        table: A column a role.
        kept: The rows that are wanted, ascending.
        split: What it is called.
        folder: For a temporary file of a byte a row of the table.
    """

    def __init__(self, table: Dataset, kept: Kept, split: str, folder: Path | None = None) -> None:
        self.table, self.split, self.folder = table, split, folder
        self.rows = kept.rows

    def __len__(self) -> int:
        return len(self.rows)

    def tables(self) -> Iterator[pa.Table]:
        """Yields them many at a time, as many as are worth tokenising in one go."""
        import pyarrow as pa

        waiting: list[pa.Table] = []
        documents = size = 0
        for page in self.pages():
            waiting.append(page)
            documents += len(page)
            size += page.nbytes
            if size >= CHARACTERS or documents >= DOCUMENTS:
                yield pa.concat_tables(waiting)
                waiting, documents, size = [], 0, 0
        if waiting:
            yield pa.concat_tables(waiting)

    def pages(self, stride: int = 1) -> Iterator[pa.Table]:
        """Yields them a few at a time.

        Args:
            stride: Every so many-th row, from the first on.
        """
        flags = Column(np.bool_, self.folder)
        for part in chunks(len(self.table)):
            flags.append(np.zeros(part.stop - part.start, dtype=bool))
        keep = flags.array()
        keep[self.rows[::stride]] = True
        return pages(self.table, keep=keep)
