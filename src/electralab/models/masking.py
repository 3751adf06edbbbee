"""Which tokens of a row are chosen for the generator to predict, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from electralab.models.padded import PaddedRows
from electralab.models.random import uniform

# Purposes of the streams of random numbers: equal seeds must not give equal numbers.
POSITIONS, REPLACE, SAMPLE, PROBE, TIE = range(5)


def chosen_count(maskable: np.ndarray | int, mask_prob: float) -> np.ndarray:
    """Returns k = min(maskable, max(1, ⌊mask_prob · maskable + ½⌋)), and 0 of an empty row."""
    maskable = np.asarray(maskable)
    wanted = np.floor(mask_prob * maskable + 0.5).astype(np.int64)
    return np.minimum(maskable, np.maximum(1, wanted))


def choose_positions(
    maskable: np.ndarray, *, mask_prob: float, width: int, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses exactly k positions a row, uniformly without replacement among the maskable ones.

    The k maskable positions with the smallest keys are taken, which is a uniform draw without
    replacement. What fills a row up to ``width`` are other positions of the row, so that no
    position stands twice and writing back to them never collides.

    Args:
        maskable: Where a token may be chosen, boolean, of shape ``(batch, seq_len)``.
        mask_prob: Share of the maskable tokens, above 0 and below 1.
        width: Positions a row in the result, K; at least the largest k.
        keys: Random 64-bit words of shape ``(batch, seq_len)``.

    Returns:
        Positions of shape ``(batch, width)``, and a boolean array of the same shape that is true
        where the position was chosen.
    """
    count = chosen_count(maskable.sum(axis=1), mask_prob)  # (B,)
    # One bit of the key says "not maskable", so these sort behind all others.
    order = (keys >> np.uint64(1)) | (~maskable).astype(np.uint64) << np.uint64(63)
    positions = np.argsort(order, axis=1, kind="stable")[:, :width]  # (B, K)
    return positions, np.arange(positions.shape[1])[None, :] < count[:, None]


@dataclass(frozen=True, kw_only=True)
class MaskingCollator:
    """Turns examples into the batch of a replaced-token-detection step.

    Everything random in it is a function of (seed, epoch, example index): the same example of the
    same epoch is masked alike in any batch, worker, process or resumed run.

    Args:
        seed: Seed of the masks.
        mask_prob: Share of the maskable tokens that is chosen.
        replace_prob: Share of the chosen that becomes the mask token; the others stay.
        max_length: Longest row, in tokens; it fixes K, the chosen positions a row.
        pad_id: Id that fills short rows.
        mask_id: Id of the mask token.
        special_ids: Ids that are never chosen, the unknown token's among them.
        padding_side: ``right`` or ``left``.
        probe: Cumulative unigram distribution of the corpus, of shape ``(vocab_size,)``. Where
            given, the batch also holds a corruption that depends on no generator.

    Example:
        >>> collate = MaskingCollator(seed=0, mask_prob=0.15, replace_prob=1.0, max_length=8,
        ...                           pad_id=0, mask_id=4, special_ids=(0, 1, 2, 3, 4))
        >>> batch = collate([{"input_ids": [2, 7, 8, 9, 3], "epoch": 0, "index": 5}])
        >>> batch["masked_ids"].eq(4).sum().item()
        1
    """

    seed: int
    mask_prob: float
    replace_prob: float
    max_length: int
    pad_id: int
    mask_id: int
    special_ids: Sequence[int]
    padding_side: str = "right"
    probe: np.ndarray | None = None

    @property
    def width(self) -> int:
        """K, the chosen positions a row: as many as the fullest row can have."""
        return int(chosen_count(self.max_length, self.mask_prob))

    def __call__(self, examples: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        """Collates examples with ``input_ids``, ``epoch`` and ``index``, and maybe ``starts``.

        Returns:
            ``input_ids`` and ``masked_ids`` of shape ``(batch, seq_len)``; ``positions``,
            ``chosen`` and ``uniforms`` of shape ``(batch, K)``; `PaddedRows.marks`; with a probe
            also ``probe_ids`` and ``maskable`` of shape ``(batch, seq_len)``.
        """
        how = {"padding_side": self.padding_side, "width": self.max_length}
        rows = PaddedRows.of(examples, pad_id=self.pad_id, **how)
        input_ids, epoch, index = rows.input_ids, rows.epoch, rows.index
        maskable = rows.real & ~np.isin(input_ids, self.special_ids)
        keys = rows.keys(POSITIONS, self.seed)
        positions, chosen = choose_positions(
            maskable, mask_prob=self.mask_prob, width=self.width, keys=keys
        )
        replaced = chosen & (
            uniform(REPLACE, self.seed, epoch, index, size=positions.shape[1]) < self.replace_prob
        )
        row = np.arange(len(input_ids))[:, None]
        masked_ids = input_ids.copy()
        masked_ids[row, positions] = np.where(replaced, self.mask_id, input_ids[row, positions])
        batch = {
            "input_ids": input_ids,
            "masked_ids": masked_ids,
            "positions": positions,
            "chosen": chosen,
            "uniforms": uniform(SAMPLE, self.seed, epoch, index, size=positions.shape[1]),
            **rows.marks(),
        }
        if self.probe is not None:
            draws = uniform(PROBE, self.seed, epoch, index, size=positions.shape[1])
            tokens = np.searchsorted(self.probe, draws.astype(np.float64), side="right")
            probe_ids = input_ids.copy()
            probe_ids[row, positions] = np.where(chosen, tokens, input_ids[row, positions])
            batch |= {"probe_ids": probe_ids, "maskable": maskable}
        return {name: torch.from_numpy(array) for name, array in batch.items()}
