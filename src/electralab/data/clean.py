"""Which documents are kept, and which are held out."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from electralab.data.batches import each
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import Clean


def clean(
    documents: Dataset, *, rules: Clean, limit: int | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Chooses the documents to keep.

    Args:
        documents: With the column ``text``.
        rules: The configuration's `data.clean`. Null texts go in any case.
        limit: Documents kept at most, the first ones.

    Returns:
        Their rows, ascending, and how many were dropped as ``empty``, ``duplicate`` and
        ``over_limit``.
    """
    kept: list[int] = []
    dropped = {"empty": 0, "duplicate": 0, "over_limit": 0}
    seen: set[bytes] = set()
    for row, text in enumerate(each(documents)):
        if text is None or (rules.drop_empty and not text.strip()):
            dropped["empty"] += 1
            continue
        if rules.drop_duplicates:
            key = hashlib.blake2b(text.encode(), digest_size=16).digest()
            if key in seen:
                dropped["duplicate"] += 1
                continue
            seen.add(key)
        kept.append(row)
        if limit is not None and len(kept) == limit:
            dropped["over_limit"] = len(documents) - row - 1
            return np.array(kept), dropped
    return np.array(kept, dtype=np.int64), dropped


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
