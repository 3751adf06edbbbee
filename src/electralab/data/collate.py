"""From rows to a padded batch, or to a few rows that hold several texts each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from electralab.data.bins import first_fit_decreasing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WIDTH = 8  # rows of several texts are as long as a multiple of it


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
        self.pads, self.classes, self.multiple = _pads(tokenizer, names), classes, multiple or 1
        self.side = tokenizer.padding_side

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Returns ``(batch, seq_len)`` tensors, and ``labels`` where rows have them.

        These are ids of shape ``(batch,)``, scores of the same, or ``(batch, classes)``.
        """
        lengths = np.array([len(row["input_ids"]) for row in rows])
        width = -(-int(lengths.max()) // self.multiple) * self.multiple
        real = np.arange(width) < lengths[:, None]
        if self.side == "left":
            real = real[:, ::-1]
        found = {"attention_mask": torch.from_numpy(real.astype(np.int64))}
        for name, pad in self.pads.items():
            if name in rows[0]:
                filled = np.full(real.shape, pad, dtype=np.int64)
                filled[real] = np.concatenate([row[name] for row in rows])
                found[name] = torch.from_numpy(filled)
        return found | _labels(rows, self.classes)


class PackingCollator:
    """Puts the texts of a batch into as few rows as they fit, the longest text wide.

    What a batch holds stays the same: it is the same examples in the same order of labels.

    Args:
        tokenizer: Knows the pads.
        names: As for `PaddingCollator`.
        classes: Likewise.

    Example:
        >>> collate = PackingCollator(tokenizer=tokenizer, names=["input_ids"])
        >>> rows = [[2, 5, 3], [2, 5, 6, 7, 8, 9, 9, 3], [2, 7, 6, 8, 3]]
        >>> batch = collate([{"input_ids": row, "labels": n} for n, row in enumerate(rows)])
        >>> batch["input_ids"].tolist(), batch["labels"].tolist()
        ([[2, 5, 6, 7, 8, 9, 9, 3], [2, 7, 6, 8, 3, 2, 5, 3]], [0, 1, 2])
    """

    def __init__(
        self,
        *,
        tokenizer: PreTrainedTokenizerBase,
        names: Sequence[str],
        classes: int | None = None,
    ) -> None:
        self.pads, self.classes = _pads(tokenizer, names), classes

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Returns a batch as `class_logits` takes it, and ``labels`` as `PaddingCollator` does.

        Of shape ``(packed, seq_len)`` are the tokens, their types, ``attention_mask``,
        ``segments`` and ``position_ids``.
        """
        lengths = np.array([len(row["input_ids"]) for row in rows])
        width = -(-int(lengths.max()) // WIDTH) * WIDTH
        order, texts = first_fit_decreasing(lengths, width)
        row = np.repeat(np.arange(len(texts)), texts)  # of a text, in their new order
        place = np.arange(len(rows)) - np.repeat(np.cumsum(texts) - texts, texts)  # in its row
        sizes = lengths[order]
        ends = np.cumsum(sizes)
        start = ends - sizes
        start -= np.repeat(start[np.cumsum(texts) - texts], texts)  # in its row

        inside = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)  # of a token, in its text
        at = np.repeat(row * width + start, sizes) + inside  # in all rows, one behind the other
        shape = len(texts), width

        def spread(values: np.ndarray, pad: int = 0) -> Tensor:
            filled = np.full(shape, pad, dtype=np.int64)
            filled.flat[at] = values
            return torch.from_numpy(filled)

        batch = {
            name: spread(np.concatenate([rows[text][name] for text in order]), pad)
            for name, pad in self.pads.items()
            if name in rows[0]
        }
        picked = np.zeros((len(texts), int(texts.max())), dtype=np.int64)
        picked[row, place] = start
        where = np.empty(len(rows), dtype=np.int64)
        where[order] = row * picked.shape[1] + place
        return {
            **batch,
            "attention_mask": spread(np.ones(len(at))),
            "segments": spread(np.repeat(place + 1, sizes)),
            "position_ids": spread(inside),
            "picked": torch.from_numpy(picked),
            "order": torch.from_numpy(where),
            **_labels(rows, self.classes),
        }


def _pads(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> dict[str, int]:
    """Returns what fills up each of the inputs that rows may have."""
    types = getattr(tokenizer, "pad_token_type_id", 0)
    pads = {"input_ids": tokenizer.pad_token_id, "token_type_ids": types}
    return {name: pad for name, pad in pads.items() if name in names}


def _labels(rows: list[dict[str, Any]], classes: int | None) -> dict[str, Tensor]:
    if "labels" not in rows[0]:
        return {}
    values = [row["labels"] for row in rows]
    if classes is None:
        return {"labels": torch.tensor(values)}  # int64 of ids, float32 of scores
    labels = torch.zeros(len(values), classes)
    for row, ids in enumerate(values):
        labels[row, ids] = 1.0
    return {"labels": labels}
