"""Which examples are kept, and which are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from electralab.data.batches import ROWS
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
    """The examples of a split that are kept; every array has one number an example.

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

    def part(self, chosen: np.ndarray) -> Kept:
        """Returns some of them, by their place among them; none counts as dropped."""
        return Kept(
            rows=self.rows[chosen],
            keys=self.keys[chosen],
            blank=self.blank[chosen],
            characters={role: lengths[chosen] for role, lengths in self.characters.items()},
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
) -> Kept:
    """Chooses the examples to keep; memory is some 20 bytes an example.

    Args:
        documents: A column a role. Null texts go in any case.
        rules: The configuration's `data.clean`.
        limit: Examples kept at most, the first ones; what stands behind them is not looked at.
        stray: Says whether a label is none of the declared ones.
        unlabelled: Examples with a null label stay.
        held_out: `Kept.keys` of held-out examples, which with `drop_duplicates` go as well.
    """
    roles = [role for role in documents.column_names if role in TEXTS]
    pages: list[tuple[np.ndarray, ...]] = []
    candidates, enough = 0, limit
    for start in range(0, len(documents), ROWS):
        pages.append(_page(documents[start : start + ROWS], roles, rules, stray, unlabelled))
        candidates += int((pages[-1][0] == 0).sum())
        if limit is not None and candidates >= enough:
            kept = int((_judged(pages, rules, held_out) == 0).sum())
            if kept >= limit:
                break
            enough = max(candidates + limit - kept, candidates * 3 // 2)  # more, for duplicates
    if not pages:
        pages = [_page({role: [] for role in roles}, roles, rules, None, unlabelled)]
    why = _judged(pages, rules, held_out)
    rows = np.flatnonzero(why == 0)
    over = 0
    if limit is not None and len(rows) >= limit:
        rows = rows[:limit]
        over = len(documents) - int(rows[-1]) - 1
        why = why[: rows[-1] + 1]
    counts = np.bincount(why, minlength=len(REASONS) + 1)[1:].tolist()
    dropped = {reason: count for reason, count in zip(REASONS, counts, strict=True) if count}
    if over:
        dropped["over_limit"] = over
    _, keys, blank, *lengths = (np.concatenate(column)[rows] for column in zip(*pages, strict=True))
    characters = dict(zip(roles, lengths, strict=True))
    return Kept(rows=rows, keys=keys, blank=blank, characters=characters, dropped=dropped)


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
    blank = np.array([[t is not None and not t.strip() for t in column] for column in texts]).any(0)
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
    keys = np.frombuffer(b"".join(map(_key, *texts)), dtype=np.uint64)
    return why, keys, blank, *lengths.astype(np.int32)


def _key(*texts: str | None) -> bytes:
    encoded = b"\xff".join((text or "").encode() for text in texts)  # \xff is in no UTF-8
    return hashlib.blake2b(encoded, digest_size=8).digest()


def _judged(
    pages: list[tuple[np.ndarray, ...]], rules: Clean, held_out: np.ndarray | None
) -> np.ndarray:
    """Returns why each example goes, duplicates included."""
    why, keys = (np.concatenate([page[column] for page in pages]) for column in (0, 1))
    if rules.drop_duplicates:
        if held_out is not None:
            why[(why == 0) & np.isin(keys, held_out)] = _CODES["held_out"]
        candidates = np.flatnonzero(why == 0)
        _, first = np.unique(keys[candidates], return_index=True)
        why[np.delete(candidates, first)] = _CODES["duplicate"]
    return why


def hold_out(documents: int, *, shares: dict[str, float], seed: int) -> dict[str, np.ndarray]:
    """Splits documents at random, by a seed that has nothing to do with the run's.

    Args:
        documents: How many there are.
        shares: Share of the documents by split; each gets one at least.
        seed: The configuration's `data.split.seed`.

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
    order = np.random.Generator(np.random.PCG64(seed)).permutation(documents)
    rows = {}
    start = 0
    for split, size in sizes.items():
        rows[split] = np.sort(order[start : start + size])
        start += size
    return {"train": np.sort(order[start:]), **rows}
