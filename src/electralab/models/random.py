"""Random numbers as a function of where they are used, not of what was drawn before.

A mask that depends on a generator's state changes with the number of workers, with accumulation
and after a resume. Here every number is SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable
pseudorandom number generators", figure 15) of a counter, from a stream named by a tuple such as
(purpose, seed, epoch, example).
"""

from __future__ import annotations

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def _mix(z: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: a bijection of 64-bit integers that spreads every bit."""
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


def random_bits(*stream: int | np.ndarray, size: int) -> np.ndarray:
    """Returns ``size`` 64-bit words of each of the streams.

    Args:
        stream: The integers that name a stream; arrays of shape ``(rows,)`` name one a row.
        size: Words a stream.

    Returns:
        Unsigned 64-bit integers of shape ``(rows, size)``.
    """
    with np.errstate(over="ignore"):
        state = np.zeros(1, dtype=np.uint64)
        for part in stream:
            part = np.atleast_1d(np.asarray(part)).astype(np.uint64)
            state = _mix((state ^ part) + _GAMMA)
        counter = np.arange(1, size + 1, dtype=np.uint64) * _GAMMA
        return _mix(state[:, None] + counter[None, :])  # (rows, size)


def uniform(*stream: int | np.ndarray, size: int) -> np.ndarray:
    """Returns numbers of the open interval (0, 1), exact in float32, of shape ``(rows, size)``.

    They have 23 bits, so that the largest, 1 - 2⁻²⁴, does not round to 1 in float32.
    """
    bits = random_bits(*stream, size=size) >> np.uint64(41)
    return ((bits.astype(np.float64) + 0.5) * 2.0**-23).astype(np.float32)
