"""Sentence pairs of two languages as rows and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from electralab.models.languages import set_languages

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from electralab.data.sources import Documents

IGNORED = -100  # label of a position that counts nowhere


class ParallelEncoder:
    """Turns a source and a target text into a row, which keeps both for scores and tables.

    Args:
        max_length: Tokens of a source at most.
        max_target_length: Tokens of a target at most.
        prefix: Stands before each source text.
        source_lang: The model's code of the source language, if it has codes.
        target_lang: Likewise of the target language.
    """

    def __init__(
        self,
        *,
        max_length: int,
        max_target_length: int,
        prefix: str = "",
        source_lang: str | None = None,
        target_lang: str | None = None,
    ) -> None:
        self.settings = {
            "rows": "parallel-1",  # goes up when the code below gives other rows
            "max_length": max_length,
            "max_target_length": max_target_length,
            "prefix": prefix,
            "source_lang": source_lang,
            "target_lang": target_lang,
        }

    def learn(self, documents: Documents) -> dict[str, Any]:
        """Finds out nothing: splits of translations need not agree on anything."""
        return {}

    def stray(self, label: str | None, facts: dict[str, Any]) -> bool:
        """Says no: there are no labels."""
        return False

    def check(self, split: str, table: Dataset, facts: dict[str, Any]) -> None:
        """Finds nothing to refuse: what is left after cleaning has two texts."""

    def encode(
        self,
        batch: dict[str, list[Any]],
        *,
        tokenizer: PreTrainedTokenizerBase,
        facts: dict[str, Any],
    ) -> dict[str, list[Any]]:
        """Returns ``input_ids``, ``labels``, ``source``, ``target``, ``length`` (of both
        sides), and for the report the lengths of each before truncation.

        Raises:
            UserError: The tokenizer lacks a language.
        """
        keys = self.settings
        set_languages(tokenizer, source=keys["source_lang"], target=keys["target_lang"])
        texts = [keys["prefix"] + text for text in batch["source"]]
        sources, full_source = _encode(texts, tokenizer, "text", keys["max_length"])
        limit = keys["max_target_length"]
        targets, full_target = _encode(batch["target"], tokenizer, "text_target", limit)
        lengths = [len(one) + len(other) for one, other in zip(sources, targets, strict=True)]
        return {
            "input_ids": sources,
            "labels": targets,
            "source": batch["source"],
            "target": batch["target"],
            "length": lengths,
            "full_length_source": full_source,
            "full_length_target": full_target,
        }


def _encode(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, side: str, max_length: int
) -> tuple[list[list[int]], list[int]]:
    """Returns ids, and how many there were of each text before it was cut off."""
    whole = tokenizer(**{side: texts}, verbose=False)["input_ids"]
    full = [len(ids) for ids in whole]
    long = [row for row, length in enumerate(full) if length > max_length]
    if long:
        again = {side: [texts[row] for row in long]}
        cut = tokenizer(**again, truncation=True, max_length=max_length)["input_ids"]
        for row, ids in zip(long, cut, strict=True):
            whole[row] = ids
    return whole, full


class ParallelCollator:
    """Pads the sides of a batch, each to its own longest row.

    Args:
        pad_id: Fills up sources; targets are filled up with `IGNORED`.

    Example:
        >>> rows = [{"input_ids": [5, 1], "labels": [6, 1], "index": 0}]
        >>> rows += [{"input_ids": [5, 7, 1], "labels": [1], "index": 1}]
        >>> batch = ParallelCollator(pad_id=0)(rows)
        >>> batch["input_ids"].tolist(), batch["labels"].tolist()
        ([[5, 1, 0], [5, 7, 1]], [[6, 1], [1, -100]])
    """

    def __init__(self, *, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Returns ids and mask of shape ``(batch, source)``, labels ``(batch, target)`` and the
        numbers of the rows in their split.
        """
        sources, targets = (
            [torch.tensor(row[name]) for row in rows] for name in ("input_ids", "labels")
        )
        ones = [torch.ones_like(source) for source in sources]
        return {
            "input_ids": pad_sequence(sources, batch_first=True, padding_value=self.pad_id),
            "attention_mask": pad_sequence(ones, batch_first=True),
            "labels": pad_sequence(targets, batch_first=True, padding_value=IGNORED),
            "index": torch.tensor([row["index"] for row in rows]),
        }
