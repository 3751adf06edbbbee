"""Which examples are kept, and which are held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from electralab.data.batches import ROWS, pages
from electralab.data.on_disk import Column, alike, gathered, numbers, places
from electralab.data.roles import TEXTS
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import Clean

# Why an example goes. Where several are true the first one counts: a second empty text is empty.
REASONS = ("null", "empty", "too_short", "too_long", "without_label", "stray_label")
REASONS += ("held_out", "duplicate")
_CODES = {reason: code for code, reason in enumerate(REASONS, start=1)}  # 0: it is kept


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The examples of a split that are kept; every array has one number an example, on disk.

    Attributes:
        rows: Their rows in the table, ascending.
        keys: Hashes of their texts, uint64: equal where all texts of two examples are.
        blank: Whether one of their texts is empty or blank.
        characters: Lengths of their texts, by role.
        dropped: How many others there were, by reason.
    """

    rows: np.ndarray
    keys: np.ndarray
    blank: np.ndarray
    characters: dict[str, np.ndarray]
    dropped: dict[str, int]

    def part(self, chosen: np.ndarray, folder: Path | None = None) -> Kept:
        """Returns some of them, by their place among them; none counts as dropped."""

        def take(values: np.ndarray) -> np.ndarray:
            return gathered(values, chosen, folder)

        return Kept(
            rows=take(self.rows),
            keys=take(self.keys),
            blank=take(self.blank),
            characters={role: take(lengths) for role, lengths in self.characters.items()},
            dropped={},
        )


def clean(
    documents: Dataset,
    *,
    rules: Clean,
    limit: int | None,
    stray: Callable[[str | None], bool] | None = None,
    unlabelled: bool = False,
    held_out: np.ndarray | None = None,
    folder: Path | None = None,
) -> Kept:
    """Chooses the examples to keep; some 30 bytes an example are on disk, and none in memory.

    Args:
        documents: A column a role. Null texts go in any case.
        rules: The configuration's `data.clean`.
        limit: Examples kept at most, the first ones; what stands behind them is not looked at.
        stray: Says whether a label is none of the declared ones.
        unlabelled: Examples with a null label stay.
        held_out: `Kept.keys` of held-out examples, which with `drop_duplicates` go as well.
        folder: For temporary files; none: where they are as a rule.
    """
    roles = [role for role in documents.column_names if role in TEXTS]
    kinds = (np.uint8, np.uint64, np.bool_, *(np.int32 for _ in roles))
    columns = [Column(kind, folder) for kind in kinds]
    candidates, enough = 0, limit
    for table in pages(documents, rows=ROWS):
        page = _page(table.to_pydict(), roles, rules, stray, unlabelled)
        for column, values in zip(columns, page, strict=True):
            column.append(values)
        candidates += int((page[0] == 0).sum())
        if limit is not None and candidates >= enough:
            why = _judged(columns[0].array().copy(), columns[1].array(), rules, held_out)
            kept = int((why == 0).sum())
            if kept >= limit:
                break
            enough = max(candidates + limit - kept, candidates * 3 // 2)  # more, for duplicates
    why, keys, blank, *lengths = (column.array() for column in columns)
    _judged(why, keys, rules, held_out)
    rows = places(why, folder)
    over = 0
    if limit is not None and len(rows) >= limit:
        rows = rows[:limit]
        over = len(documents) - int(rows[-1]) - 1
        why = why[: rows[-1] + 1]
    counts = [int((why == code).sum()) for code in _CODES.values()]
    dropped = {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}
    if over:
        dropped["over_limit"] = over
    keys, blank, *lengths = (gathered(values, rows, folder) for values in (keys, blank, *lengths))
    characters = dict(zip(roles, lengths, strict=True))
    return Kept(rows=rows, keys=keys, blank=blank, characters=characters, dropped=dropped)


def faultless(texts: list[str | None], rules: Clean) -> list[str]:
    """Returns the texts that `clean` would keep, whatever stands elsewhere."""
    why = _page({"text": texts}, ["text"], rules, None, False)[0]
    return [text for text, code in zip(texts, why.tolist(), strict=True) if text and not code]


def _page(
    batch: dict[str, list[str | None]],
    roles: Sequence[str],
    rules: Clean,
    stray: Callable[[str | None], bool] | None,
    unlabelled: bool,
) -> tuple[np.ndarray, ...]:
    """Returns the faults, keys, blanks and lengths, a column a role, of some examples."""
    texts = [batch[role] for role in roles]
    lengths = np.array([[-1 if t is None else len(t) for t in column] for column in texts])
    null = (lengths < 0).any(0)
    blank = np.array([[t is not None and (not t or t.isspace()) for t in c] for c in texts]).any(0)
    why = np.zeros(len(null), dtype=np.uint8)

    def mark(reason: str, which: np.ndarray) -> None:
        why[which & (why == 0)] = _CODES[reason]

    mark("null", null)
    if rules.drop_empty:
        mark("empty", blank)
    if rules.min_characters:
        mark("too_short", (lengths < rules.min_characters).any(0))
    if rules.max_characters:
        mark("too_long", (lengths > rules.max_characters).any(0))
    if "label" in batch:
        labels = batch["label"]
        if not unlabelled:
            mark("without_label", np.array([label is None for label in labels], dtype=bool))
        if rules.drop_stray_labels and stray is not None:
            bad = {label for label in set(labels) if label is not None and stray(label)}
            mark("stray_label", np.array([label in bad for label in labels], dtype=bool))
    # Python's own hash, SipHash: keys are compared within this process alone.
    hashes = map(hash, texts[0] if len(texts) == 1 else zip(*texts, strict=True))
    keys = np.fromiter(hashes, dtype=np.int64, count=len(null)).view(np.uint64)
    return why, keys, blank, *lengths.astype(np.int32)


def _judged(
    why: np.ndarray, keys: np.ndarray, rules: Clean, held_out: np.ndarray | None
) -> np.ndarray:
    """Notes why each example goes, duplicates included, and returns it."""
    if rules.drop_duplicates:
        others = np.empty(0, dtype=np.uint64) if held_out is None else held_out
        for here, there in alike(keys, others):
            candidates = here[why[here] == 0]
            if len(there):
                stands_there = np.isin(keys[candidates], others[there])
                why[candidates[stands_there]] = _CODES["held_out"]
                candidates = candidates[~stands_there]
            _, first = np.unique(keys[candidates], return_index=True)
            why[np.delete(candidates, first)] = _CODES["duplicate"]
    return why


def hold_out(
    documents: int, *, shares: dict[str, float], seed: int, folder: Path | None = None
) -> dict[str, np.ndarray]:
    """Splits documents at random, by a seed that has nothing to do with the run's.

    Args:
        documents: How many there are.
        shares: Share of the documents by split; each gets one at least.
        seed: The configuration's `data.split.seed`.
        folder: For temporary files.

    Returns:
        The rows of ``train`` and of each split, ascending.

    Raises:
        UserError: None would be left to train on.
    """
    sizes = {split: max(1, round(share * documents)) for split, share in shares.items()}
    if sum(sizes.values()) >= documents:
        keys = " and ".join(f"`data.split.{split}`" for split in shares)
        raise UserError(
            f"{keys} must leave a document to train on, but of {documents} they take "
            f"{sum(sizes.values())}; give more documents, a smaller share, a file, or null."
        )
    order = numbers(documents, folder)
    np.random.Generator(np.random.PCG64(seed)).shuffle(order)  # as its `permutation` does
    rows = {}
    start = 0
    for split, size in (*sizes.items(), ("train", documents - sum(sizes.values()))):
        rows[split] = order[start : start + size]
        rows[split].sort()
        start += size
    return rows
