"""Documents as token ids in one array, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Documents as token ids.

    Attributes:
        flat: Their ids, of shape ``(tokens,)``.
        lengths: How many each has, int64 of shape ``(documents,)``.
    """

    flat: np.ndarray
    lengths: np.ndarray


def ragged(documents: Ragged | Sequence[Sequence[int]]) -> Ragged:
    """Returns documents in this form, in which they may be already."""
    if isinstance(documents, Ragged):
        return documents
    lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
    ids = np.fromiter(chain.from_iterable(documents), dtype=np.uint32, count=int(lengths.sum()))
    return Ragged(ids, lengths)
