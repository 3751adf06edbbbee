"""Whole-word masking: whole words only, as near to k tokens as they come, each as likely."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from electralab.models.masking import choose_positions, chosen_count
from electralab.models.whole_words import LONGEST, choose_words, words_width


def draw(starts, maskable=None, *, mask_prob=0.15, seed=0):
    starts = np.asarray(starts, dtype=bool)
    maskable = np.ones_like(starts) if maskable is None else np.asarray(maskable, dtype=bool)
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**64, starts.shape, dtype=np.uint64)
    ties = rng.random(len(starts)) < 0.5
    width = words_width(starts.shape[1], mask_prob)
    how = {"mask_prob": mask_prob, "width": width, "keys": keys}
    positions, chosen = choose_words(maskable, starts, **how, ties=ties)
    return positions, chosen, keys, ties


def words_of(starts, maskable):
    """The words of a row, by a plain loop."""
    words: list[list[int]] = []
    for place, (start, may) in enumerate(zip(starts, maskable, strict=True)):
        if not may:
            continue
        fresh = start or place == 0 or not maskable[place - 1]
        if fresh or len(words[-1]) == LONGEST:
            words.append([])
        words[-1].append(place)
    return words


def reference(starts, maskable, keys, tie, k):
    """Draws words one by one until no further one comes nearer to k."""
    words = sorted(words_of(starts, maskable), key=lambda word: keys[word[0]] >> np.uint64(1))
    taken: list[int] = []
    best: tuple[int, list[int]] | None = None
    for word in words:
        taken = taken + word
        off = abs(len(taken) - k)
        nearer = best is None or off < best[0]
        if best and off == best[0] and len(taken) > k and not tie:
            nearer = True  # the coin is for the longer
        if nearer:
            best = (off, taken)
    return sorted(best[1]) if best else []


@pytest.mark.parametrize("mask_prob", [0.05, 0.15, 0.5])
@pytest.mark.parametrize("share_of_starts", [0.1, 0.4, 0.8])
def test_it_equals_a_draw_word_by_word(mask_prob, share_of_starts):
    rng = np.random.default_rng(1)
    starts = rng.random((300, 40)) < share_of_starts
    maskable = rng.random(starts.shape) < rng.choice([0.1, 0.9, 1.0], size=(300, 1))
    maskable[:3] = False
    positions, chosen, keys, ties = draw(starts, maskable, mask_prob=mask_prob)
    for row in range(300):
        k = int(chosen_count(maskable[row].sum(), mask_prob))
        wanted = reference(starts[row], maskable[row], keys[row], ties[row], k)
        assert sorted(positions[row][chosen[row]].tolist()) == wanted
        assert len(set(positions[row].tolist())) == positions.shape[1]


def test_no_word_is_chosen_in_part():
    starts = np.random.default_rng(2).random((2000, 60)) < 0.45
    positions, chosen, *_ = draw(starts)
    marked = np.zeros_like(starts)
    np.put_along_axis(marked, positions, chosen, axis=1)
    for row in range(2000):
        for word in words_of(starts[row], np.ones(60, dtype=bool)):
            assert marked[row, word].all() or not marked[row, word].any()


def test_the_number_is_k_on_average_and_never_far():
    starts = np.random.default_rng(3).random((20_000, 126)) < 0.6
    _, chosen, *_ = draw(starts)
    k = int(chosen_count(126, 0.15))
    number = chosen.sum(axis=1)
    assert number.mean() == pytest.approx(k, rel=0.005)
    assert abs(number - k).max() <= LONGEST // 2 and (number == k).mean() > 0.5


def test_words_of_like_length_are_equally_likely():
    lengths = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]
    starts = np.zeros((40_000, sum(lengths)), dtype=bool)
    first = np.cumsum([0, *lengths[:-1]])
    starts[:, first] = True
    positions, chosen, *_ = draw(starts, mask_prob=0.3)
    counts = np.bincount(positions[chosen], minlength=starts.shape[1])[first]
    for length in (1, 2, 3):
        same = counts[np.array(lengths) == length]
        assert stats.chisquare(same).pvalue > 1e-3
    # A long word is hit nearly as often as a short one, for the last one may go beyond k.
    assert counts[np.array(lengths) == 3].mean() > 0.85 * counts[np.array(lengths) == 1].mean()


def test_words_of_one_piece_are_drawn_like_tokens():
    starts = np.ones((50, 30), dtype=bool)
    positions, chosen, keys, _ = draw(starts)
    single = choose_positions(starts, mask_prob=0.15, width=positions.shape[1], keys=keys)
    assert (positions == single[0]).all() and (chosen == single[1]).all()
