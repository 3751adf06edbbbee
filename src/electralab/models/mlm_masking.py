"""What a masked language model reads and has to predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from electralab.models.masking import (
    POSITIONS,
    REPLACE,
    SAMPLE,
    TIE,
    choose_positions,
    chosen_count,
)
from electralab.models.padded import PaddedRows
from electralab.models.random import uniform
from electralab.models.whole_words import choose_words, words_width


@dataclass(frozen=True, kw_only=True)
class MlmCollator:
    """Turns examples into the batch of a step of masked language modelling (Devlin et al. 2019).

    Everything random in it is a function of (seed, epoch, example index), as in `MaskingCollator`.

    Args:
        seed: Seed of the masks.
        mask_prob: Share of the maskable tokens that is chosen.
        mask_share: Share of the chosen that becomes the mask token.
        random_share: Share of the chosen that becomes any token that is not special, each as
            likely; the rest stays.
        max_length: Longest row, in tokens; it fixes K, the chosen positions a row.
        vocab_size: Ids are below this.
        pad_id: Id that fills short rows.
        mask_id: Id of the mask token.
        special_ids: Ids that are never chosen, the unknown token's among them.
        padding_side: ``right`` or ``left``.
        word_starts: Whether a piece begins a word, boolean, of shape ``(vocab_size,)``. Where
            given, words are chosen whole.

    Example:
        >>> collate = MlmCollator(seed=0, mask_prob=0.5, mask_share=1.0, random_share=0.0,
        ...                       max_length=8, vocab_size=12, pad_id=0, mask_id=4,
        ...                       special_ids=(0, 1, 2, 3, 4))
        >>> batch = collate([{"input_ids": [2, 7, 8, 9, 6, 3], "epoch": 0, "index": 5}])
        >>> batch["input_ids"].eq(4).sum().item()
        2
    """

    seed: int
    mask_prob: float
    mask_share: float
    random_share: float
    max_length: int
    vocab_size: int
    pad_id: int
    mask_id: int
    special_ids: Sequence[int]
    padding_side: str = "right"
    word_starts: np.ndarray | None = None

    @property
    def width(self) -> int:
        """K, the positions a row at which something is predicted."""
        if self.word_starts is not None:
            return words_width(self.max_length, self.mask_prob)
        return int(chosen_count(self.max_length, self.mask_prob))

    def __call__(self, examples: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        """Collates examples with ``input_ids``, ``epoch`` and ``index``, and maybe ``starts``.

        Returns:
            ``input_ids``, what the model reads, of shape ``(batch, seq_len)``; ``positions``,
            ``chosen`` and ``originals``, the tokens that stood there, of shape ``(batch, K)``;
            and `PaddedRows.marks`.
        """
        how = {"padding_side": self.padding_side, "width": self.max_length}
        rows = PaddedRows.of(examples, pad_id=self.pad_id, **how)
        positions, chosen = self._choose(rows)
        originals = np.take_along_axis(rows.input_ids, positions, axis=1)  # (B, K)
        fate = self._uniform(REPLACE, rows, positions.shape[1])
        normal = np.setdiff1d(np.arange(self.vocab_size), self.special_ids)
        draw = self._uniform(SAMPLE, rows, positions.shape[1]).astype(np.float64)
        anything = normal[(draw * len(normal)).astype(np.int64)]
        read = np.where(fate < self.mask_share + self.random_share, anything, originals)
        read = np.where(fate < self.mask_share, self.mask_id, read)
        input_ids = rows.input_ids.copy()
        np.put_along_axis(input_ids, positions, np.where(chosen, read, originals), axis=1)
        batch = {
            "input_ids": input_ids,
            "positions": positions,
            "chosen": chosen,
            "originals": originals,
            **rows.marks(),
        }
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def _choose(self, rows: PaddedRows) -> tuple[np.ndarray, np.ndarray]:
        maskable = rows.real & ~np.isin(rows.input_ids, self.special_ids)
        how = {"mask_prob": self.mask_prob, "width": self.width}
        keys = rows.keys(POSITIONS, self.seed)
        if self.word_starts is None:
            return choose_positions(maskable, **how, keys=keys)
        starts = self.word_starts[rows.input_ids]
        ties = self._uniform(TIE, rows, 1)[:, 0] < 0.5
        return choose_words(maskable, starts, **how, keys=keys, ties=ties)

    def _uniform(self, purpose: int, rows: PaddedRows, size: int) -> np.ndarray:
        return uniform(purpose, self.seed, rows.epoch, rows.index, size=size)
