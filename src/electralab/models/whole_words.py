"""Choosing whole words for a model to predict."""

from __future__ import annotations

import numpy as np

from electralab.models.masking import chosen_count

LONGEST = 8  # pieces; what is longer, such as an address, is drawn in parts of so many


def words_width(max_length: int, mask_prob: float) -> int:
    """Returns the most positions that `choose_words` chooses in a row.

    One word is always chosen, and the last can go beyond k by half of its pieces.
    """
    k = int(chosen_count(max_length, mask_prob))
    return min(max_length, max(LONGEST, k + LONGEST // 2))


def choose_words(
    maskable: np.ndarray,
    starts: np.ndarray,
    *,
    mask_prob: float,
    width: int,
    keys: np.ndarray,
    ties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses about k positions a row, all pieces of a word or none.

    Words are drawn uniformly without replacement, one at least, until their pieces are as near to k
    as they come; where one word more is as far above k as the number is below it, a coin decides.
    A word of more than `LONGEST` pieces counts as several. As in `choose_positions`, other
    positions of the row fill it up to ``width``.

    Args:
        maskable: Where a token may be chosen, boolean, of shape ``(batch, seq_len)``.
        starts: Where a piece begins a word, boolean, of the same shape. A token behind one that is
            not maskable begins a word in any case.
        mask_prob: Share of the maskable tokens, above 0 and below 1.
        width: Positions a row in the result; at least `words_width`.
        keys: Random 64-bit words of shape ``(batch, seq_len)``.
        ties: The coins, boolean, of shape ``(batch,)``.

    Returns:
        Positions of shape ``(batch, width)``, and a boolean array of the same shape that is true
        where the position was chosen.
    """
    maskable_count = maskable.sum(axis=1)  # (B,)
    count = chosen_count(maskable_count, mask_prob)
    behind = np.pad(maskable, ((0, 0), (1, 0)))[:, :-1]  # whether the token before is maskable
    starts = maskable & (starts | ~behind)
    starts |= maskable & (_place(starts) % LONGEST == 0)
    column = np.arange(maskable.shape[1])[None, :]
    first = column - _place(starts)  # of the word that a token belongs to; (B, L)
    word_keys = np.take_along_axis(keys, first, axis=1)
    order = (word_keys >> np.uint64(1)) | (~maskable).astype(np.uint64) << np.uint64(63)
    positions = np.argsort(order, axis=1, kind="stable")  # words in order, each from left to right

    # Whether a word ends before the n-th drawn token, for n = 1 … L: there the draw may stop.
    stops = np.pad(np.take_along_axis(starts, positions, axis=1), ((0, 0), (0, 1)))[:, 1:]
    number = column + 1
    stops |= number == maskable_count[:, None]
    stops &= number <= maskable_count[:, None]
    distance = 2 * np.abs(number - count[:, None])  # (B, L)
    distance += (number > count[:, None]) == ties[:, None]
    taken = np.where(stops, distance, np.iinfo(np.int64).max).argmin(axis=1) + 1
    taken = np.where(maskable_count > 0, taken, 0)
    return positions[:, :width], np.arange(width)[None, : positions.shape[1]] < taken[:, None]


def _place(starts: np.ndarray) -> np.ndarray:
    """Returns how many tokens ago the last start was, of shape ``(batch, seq_len)``."""
    column = np.arange(starts.shape[1])[None, :]
    return column - np.maximum.accumulate(np.where(starts, column, 0), axis=1)
