"""What a split looks like: lengths, classes, duplicates, and what is cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from electralab.data.on_disk import distinct, found_in
from electralab.data.ragged import Ragged, ragged
from electralab.data.tally import Tally

if TYPE_CHECKING:
    from electralab.config import DataConfig
    from electralab.data.clean import Kept
    from electralab.data.rows import RowEncoder

BINS = 50
FEW = 0.01  # share of the examples that may well be cut off
FULL_LENGTH = "full_length"  # how the columns begin that are looked at and not stored
ROW = "row"  # the name of a row's lengths where it is one sequence


class Look:
    """Looks at the examples of a split while their rows are made.

    Memory is that of the lengths that occur; neither they nor texts are kept one by one.

    Args:
        kept: The examples.
        data: The configuration's `data` node.
        encoder: How an example becomes a row; none: texts become token blocks.
        facts: What the encoder learned.
    """

    def __init__(
        self,
        *,
        kept: Kept,
        data: DataConfig,
        encoder: RowEncoder | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self._kept = kept
        self._encoder = encoder
        self._facts = facts or {}
        whole = encoder is None and data.packing == "concat"  # then nothing is cut off
        self._limits = {
            ROW: None if whole else data.max_length,
            "source": data.max_length,
            "target": data.max_target_length or data.max_length,
        }
        self._special = not whole
        self._lengths: dict[str, Tally] = {}
        names = self._facts.get("labels") or ()
        self._classes: Counter[str] = Counter(dict.fromkeys(map(str, names), 0))
        self._scores = Tally()

    def see_tokens(self, lengths: Sequence[int] | np.ndarray, side: str = ROW) -> None:
        """Takes the tokens of some examples, before truncation.

        Args:
            lengths: Tokens of each, special ones included unless rows are packed blocks.
            side: ``row``, or ``source`` or ``target`` where an example has two sequences.
        """
        self._lengths.setdefault(side, Tally()).add(np.asarray(lengths, dtype=np.int32))

    def see_documents(self, documents: Ragged | Sequence[Sequence[int]]) -> None:
        """Takes some documents of token blocks, as ids without special tokens."""
        ends = 2 if self._special else 0  # [CLS] and [SEP], where a document has a row of its own
        self.see_tokens(ragged(documents).lengths + ends)

    def see_rows(
        self, examples: dict[str, list[Any]], columns: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """Takes some examples and their rows; returns the columns that are to be stored."""
        full = [name for name in columns if name.startswith(FULL_LENGTH)]
        for name in full or ["length"]:
            side = name.removeprefix(FULL_LENGTH).lstrip("_") if full else ROW
            self.see_tokens(columns[name], side or ROW)
        if "label" in examples:
            self._see_labels(Counter(examples["label"]))
        return {name: values for name, values in columns.items() if name not in full}

    def _see_labels(self, labels: Counter[str]) -> None:
        for label, count in labels.items():
            meant = self._encoder.classes(label, self._facts)
            if isinstance(meant, list):
                self._classes.update(dict.fromkeys(meant, count))
            else:
                self._scores.add(np.full(count, meant, dtype=np.float64))

    def report(
        self, train: Kept | None = None, alike: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Returns what was seen, for JSON.

        Args:
            train: The examples that are trained on; none: it is these.
            alike: The report on those, whose bins are taken.

        Returns:
            ``examples``; ``empty`` (with an empty or blank text) and ``duplicates`` (whose texts
            stood earlier) of what is left; ``in_train`` (of a held-out split: whose texts are
            trained on too); ``characters`` by role and ``tokens`` by side, each as `describe`
            says, tokens with their ``limit``, how many examples it has ``truncated`` and what
            limit would be ``enough`` for more than 99 in a hundred;
            ``special_tokens`` (whether those are counted); ``classes`` (examples by name) or
            ``scores``.
        """
        kept = self._kept
        found: dict[str, Any] = {
            "examples": len(kept.rows),
            "empty": int(kept.blank.sum()),
            "duplicates": len(kept.keys) - distinct(kept.keys),
        }
        if train is not None:
            found["in_train"] = found_in(kept.keys, train.keys)
        found["characters"] = {
            role: _described(Tally(lengths), alike and alike["characters"][role])
            for role, lengths in kept.characters.items()
        }
        found["special_tokens"] = self._special
        found["tokens"] = {}
        for side, lengths in self._lengths.items():
            limit = self._limits[side]
            truncated = 0 if limit is None else lengths.above(limit)
            cut = {"limit": limit, "truncated": truncated, "enough": lengths.enough(FEW)}
            found["tokens"][side] = _described(lengths, alike and alike["tokens"][side]) | cut
        if self._classes:
            found["classes"] = dict(self._classes)
        if self._scores:
            found["scores"] = _described(self._scores, alike and alike["scores"])
        return found


def describe(values: np.ndarray, alike: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns ``min``, ``mean``, ``median``, ``percentile_99``, ``max`` and ``histogram``.

    The histogram has 50 bins, from ``edges[i]`` to below ``edges[i + 1]``; the last one holds all
    that is longer, for a few long texts would squeeze the others into one bin. Bins of whole
    numbers are whole numbers wide, lest some bins hold more of them than others.

    Args:
        values: Lengths or scores, at least one, of shape ``(examples,)``.
        alike: What was found of other values, to take its bins; the outer ones take in the rest.
    """
    return _described(Tally(values), alike)


def _described(tally: Tally, alike: dict[str, Any] | None) -> dict[str, Any]:
    values, counts = tally.counted()
    whole = np.issubdtype(values.dtype, np.integer)
    high = tally.quantile(0.99)
    if alike is not None:
        edges = np.array(alike["histogram"]["edges"], dtype=values.dtype)
    elif whole:
        low = values[0]
        width = max(1, -(-(int(high) + 1 - low) // BINS))
        edges = low + width * np.arange(BINS + 1)
    else:
        edges = np.histogram_bin_edges(values, bins=BINS)
    edges[0] = min(edges[0], values[0])
    edges[-1] = max(edges[-1], values[-1] + (1 if whole else 0))
    return {
        "min": values[0].item(),
        "mean": round(float((values * counts).sum() / counts.sum()), 4),
        "median": tally.quantile(0.5),
        "percentile_99": high,
        "max": values[-1].item(),
        "histogram": {
            "edges": edges.tolist(),
            "counts": np.histogram(values, bins=edges, weights=counts)[0].astype(int).tolist(),
        },
    }
