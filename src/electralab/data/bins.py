"""Putting texts of many lengths together so that they fill rows of one length."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np


def first_fit_decreasing(lengths: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Puts texts into rows: the longest first, each into the first row that has room for it.

    This is what Johnson (1973) bounds by 11/9 of the fewest rows there can be. It is done row by
    row, which comes to the same: a row takes the longest text left that fits, again and again.
    Texts of one length are alike, so that the same pattern of lengths fills many rows at once, and
    the work grows with the number of different lengths rather than of texts.

    Args:
        lengths: Tokens of each text, 1 to ``width``, of shape ``(texts,)``.
        width: Tokens that a row has room for.

    Returns:
        The numbers of the texts, row by row, of shape ``(texts,)``; of one length, the earlier
        stands first. And how many texts each row holds, of shape ``(rows,)``.

    Example:
        >>> first_fit_decreasing(np.array([2, 3, 6, 5]), width=8)
        (array([2, 0, 3, 1]), array([2, 2]))
    """
    left = np.bincount(lengths, minlength=width + 1)
    alike = np.argsort(lengths, kind="stable")  # all texts of a length stand together
    begin = (np.cumsum(left) - left).tolist()  # where the next text of a length stands there
    present = np.flatnonzero(left).tolist()  # the different lengths, rising
    left = left.tolist()
    order: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    texts: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
    while present:
        pattern: list[tuple[int, int]] = []  # a length, and how often
        room, behind = width, len(present)
        while (at := bisect_right(present, room, 0, behind) - 1) >= 0:
            length, behind = present[at], at
            often = min(left[length], room // length)
            pattern.append((length, often))
            room -= often * length
        rows = min(left[length] // often for length, often in pattern)
        columns = []
        for length, often in pattern:
            start, taken = begin[length], rows * often
            columns.append(alike[start : start + taken].reshape(rows, often))
            begin[length] += taken
            left[length] -= taken
        order.append(np.concatenate(columns, axis=1).ravel())
        texts.append(np.full(rows, sum(often for _, often in pattern)))
        present = [length for length in present if left[length]]
    return np.concatenate(order), np.concatenate(texts)
