"""The texts of a split in their order, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from electralab.data.batches import pages
from electralab.data.on_disk import Column, chunks

if TYPE_CHECKING:
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

    def __iter__(self) -> Iterator[str | None]:
        for page in self.pages():
            yield from page["text"]

    def pages(self, stride: int = 1) -> Iterator[dict[str, list[str | None]]]:
        """Yields the columns, a few rows at a time.

        Args:
            stride: Every so many-th row, from the first on.
        """
        flags = Column(np.bool_, self.folder)
        for part in chunks(len(self.table)):
            flags.append(np.zeros(part.stop - part.start, dtype=bool))
        keep = flags.array()
        keep[self.rows[::stride]] = True
        return pages(self.table, keep=keep)
