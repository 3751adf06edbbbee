"""What a trained pair says: which words look replaced, and what fits in a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from electralab.models.loading import load_whole_pair
from electralab.models.tokenizers import load_tokenizer
from electralab.predicting import Predictor
from electralab.predicting.device import best_device
from electralab.predicting.windows import MaskFiller, Windows, fill_lines

_SHOWN = 5  # words that are doubted most


class RtdPredictor(Predictor):
    """A trained pair; texts of any length are judged window by window."""

    def __init__(self, folder: Path, *, config: dict[str, Any]) -> None:
        super().__init__(folder, config=config)
        self.tokenizer = load_tokenizer(str(folder), key="RUN")
        self.pair = load_whole_pair(folder).eval().to(best_device())
        self.filler = MaskFiller(self.pair.generator, self.tokenizer)
        self.windows = Windows(self.tokenizer, self.pair.discriminator)

    def batch(self, texts: list[str], *, top_k: int) -> list[dict[str, Any]]:
        """Judges some texts.

        Each result has ``text``, and ``words`` (each with the probability that it was replaced) or,
        for a text with masks, ``masks`` (for each a list of fill-ins with their probability).
        """
        masked = [self.filler.with_own_mask(text) for text in texts]
        encoded = self.tokenizer(
            masked, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        ids = encoded["input_ids"]
        gaps = [n for n, row in enumerate(ids) if self.tokenizer.mask_token_id in row]
        whole = [n for n in range(len(texts)) if n not in set(gaps)]
        said: dict[int, dict[str, Any]] = {}
        filled = self.filler.fill([ids[n] for n in gaps], top_k=top_k)
        said |= {n: {"masks": masks} for n, masks in zip(gaps, filled, strict=True)}
        doubts = self._doubts([ids[n] for n in whole])
        for n, probabilities in zip(whole, doubts, strict=True):
            said[n] = {
                "words": _words(
                    texts[n], encoded.word_ids(n), encoded["offset_mapping"][n], probabilities
                )
            }
        return [{"text": text, **said[n]} for n, text in enumerate(texts)]

    def lines(self, result: dict[str, Any]) -> list[str]:
        """Returns the text, and below it the fill-ins or the words that are doubted most."""
        if "masks" in result:
            return [result["text"], *fill_lines(result["masks"])]
        words = sorted(result["words"], key=lambda word: -word["replaced"])[:_SHOWN]
        shown = ", ".join(f"{word['word']} {word['replaced']:.3f}" for word in words)
        return [result["text"], f"  doubted most: {shown}" if words else "  (no words)"]

    @torch.inference_mode()
    def _doubts(self, texts: list[list[int]]) -> list[list[float]]:
        """Returns for each token of each text the probability that it was replaced."""

        def doubt(ids: Tensor, real: Tensor | None) -> Tensor:
            device = self.pair.device
            real = None if real is None else real.to(device)
            return self.pair.doubt_logits(ids.to(device), real).sigmoid()

        rows = [(n, row) for n, ids in enumerate(texts) for row in self.windows.cut(ids)]
        found: list[list[float]] = [[] for _ in texts]
        outputs = self.windows.run([row for _, row in rows], doubt, size=len(texts) or 1)
        for (n, row), probabilities in zip(rows, outputs, strict=True):
            found[n] += probabilities[1 : len(row) - 1].tolist()
        return found


def _words(
    text: str,
    numbers: list[int | None],
    offsets: list[tuple[int, int]],
    probabilities: list[float],
) -> list[dict[str, Any]]:
    """Joins pieces to words; one is as doubtful as its most doubtful piece."""
    words: list[dict[str, Any]] = []
    last = None
    for number, (start, end), p in zip(numbers, offsets, probabilities, strict=True):
        if number == last:
            word = words[-1]
            word["word"], word["end"] = text[word["start"] : end], end
            word["replaced"] = max(p, word["replaced"])
        else:
            words.append({"word": text[start:end], "start": start, "end": end, "replaced": p})
        last = number
    return words
