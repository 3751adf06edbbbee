"""Encoded examples on disk, a row each, memory-mapped: for tasks whose examples have labels."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch.utils.data import Dataset as TorchDataset

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from electralab.data.sources import Documents

FILE = "rows.arrow"
LENGTH = "length"


class RowEncoder(Protocol):
    """How examples become rows.

    Attributes:
        settings: All that rows depend on besides the data, its keys and the tokenizer; for JSON.
        null_is_none: Whether a null label says that no class applies, rather than that the example
            has no label. Asked only where examples have the role ``label``.
    """

    settings: dict[str, Any]
    null_is_none: bool

    def learn(self, documents: Documents) -> dict[str, Any]:
        """Finds out what all splits must agree on, such as the classes; for JSON.

        Raises:
            UserError: The labels cannot be used.
        """

    def stray(self, label: str | None, facts: dict[str, Any]) -> bool:
        """Says whether a label is none of the declared ones; it is the JSON of a value."""

    def check(self, split: str, table: Dataset, facts: dict[str, Any]) -> None:
        """Looks at what is left of a split after cleaning.

        Raises:
            UserError: Its labels cannot be used, or only one class is there.
        """

    def encode(
        self,
        batch: dict[str, list[Any]],
        *,
        tokenizer: PreTrainedTokenizerBase,
        facts: dict[str, Any],
    ) -> dict[str, list[Any]]:
        """Turns a batch of examples, by role, into the columns of rows.

        Every column but ``length`` goes to the collator. ``length`` is the row's size in tokens, by
        which batches of like lengths are made.

        Columns whose names begin with ``full_length`` are looked at and not stored: tokens before
        truncation, special ones included, in the same order. ``full_length`` is held against
        `data.max_length`; an encoder of two sequences gives ``full_length_source`` and
        ``full_length_target`` instead, the second held against `data.max_target_length`. Without
        any, ``length`` is taken.
        """

    def classes(self, label: str, facts: dict[str, Any]) -> list[str] | float:
        """Says what a label, the JSON of a value, means: names of its classes, or a score.

        Asked only where examples have the role ``label``, for the report on the data.
        """


class EncodedRows(TorchDataset):
    """The rows of a split.

    An index at or beyond the length means the same row in a later epoch, as in `TokenBlocks`.

    Args:
        folder: Where `write_rows` wrote them.
    """

    uneven = True  # rows have lengths of their own

    def __init__(self, folder: Path | str) -> None:
        from datasets import Dataset

        self.folder = Path(folder)
        self.table = Dataset.from_file(str(self.folder / FILE))
        self.lengths = np.asarray(self.table[LENGTH][:], dtype=np.int64)  # (rows,)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index < 0:
            raise IndexError(f"row {index}: rows count from 0, in epoch 0")
        epoch, row = divmod(int(index), len(self))
        return {**self.table[row], "epoch": epoch, "index": row}

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        """Returns the rows of a batch; a loader asks for them at once."""
        places = [divmod(int(index), len(self)) for index in indices]
        columns = self.table[[row for _, row in places]]
        return [
            {**dict(zip(columns, values, strict=True)), "epoch": epoch, "index": row}
            for (epoch, row), *values in zip(places, *columns.values(), strict=True)
        ]


def write_rows(batches: Iterable[dict[str, list[Any]]], folder: Path) -> dict[str, int]:
    """Writes the rows of a split; memory is that of one batch.

    Args:
        batches: Columns of equal length, ``length`` among them.
        folder: An existing folder.

    Returns:
        ``documents``, ``tokens`` and ``rows``.
    """
    import pyarrow as pa

    count = {"documents": 0, "tokens": 0, "rows": 0}
    writer = None
    with open(folder / FILE, "wb") as file:
        for columns in batches:
            table = pa.table(columns, schema=writer.schema if writer else None)
            if writer is None:
                writer = _Writer(file, table.schema)
            writer.write(table)
            count["documents"] += table.num_rows
            count["rows"] += table.num_rows
            count["tokens"] += sum(columns[LENGTH])
        if writer is not None:
            writer.close()
        file.flush()
        os.fsync(file.fileno())
    return count


class _Writer:
    def __init__(self, file: Any, schema: Any) -> None:
        import pyarrow as pa

        self.schema = schema
        self._stream = pa.ipc.new_stream(file, schema)

    def write(self, table: Any) -> None:
        self._stream.write_table(table)

    def close(self) -> None:
        self._stream.close()
