"""From rows to a padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import DataCollatorWithPadding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PaddingCollator:
    """Pads the rows of a batch to the longest of them, on the tokenizer's side.

    Args:
        tokenizer: Knows the pads.
        names: What the model is given; columns that rows do not have are left out.
        classes: Rows have lists of class ids, of so many classes, which become vectors of 0 and 1;
            none: rows have one class id or one score.
        multiple: Batches are as long as a multiple of it, as suits some devices.

    Example:
        >>> collate = PaddingCollator(tokenizer=tokenizer, names=["input_ids", "attention_mask"])
        >>> collate([{"input_ids": [2, 7, 3], "labels": 1}, {"input_ids": [2, 3], "labels": 0}])
        {'input_ids': tensor([[2, 7, 3], [2, 3, 0]]),
         'attention_mask': tensor([[1, 1, 1], [1, 1, 0]]), 'labels': tensor([1, 0])}
    """

    def __init__(
        self,
        *,
        tokenizer: PreTrainedTokenizerBase,
        names: Sequence[str],
        classes: int | None = None,
        multiple: int | None = None,
    ) -> None:
        self.names = [name for name in names if name != "attention_mask"]
        self.classes = classes
        self._pad = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=multiple)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Returns ``(batch, seq_len)`` tensors, and ``labels`` where rows have them.

        These are ids of shape ``(batch,)``, scores of the same, or ``(batch, classes)``.
        """
        inputs = [
            {name: np.asarray(row[name]).tolist() for name in self.names if name in row}
            for row in rows
        ]
        batch = self._pad(inputs)
        found = {name: batch[name] for name in (*self.names, "attention_mask") if name in batch}
        if "labels" in rows[0]:
            found["labels"] = self._labels([row["labels"] for row in rows])
        return found

    def _labels(self, values: list[Any]) -> Tensor:
        if self.classes is None:
            return torch.tensor(values)  # int64 of ids, float32 of scores
        labels = torch.zeros(len(values), self.classes)
        for row, ids in enumerate(values):
            labels[row, ids] = 1.0
        return labels
