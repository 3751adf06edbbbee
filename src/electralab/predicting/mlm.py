"""What a trained masked language model fills in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoModelForMaskedLM

from electralab.models.networks import load_network
from electralab.models.tokenizers import load_tokenizer
from electralab.predicting import Predictor
from electralab.predicting.device import best_device
from electralab.predicting.windows import MaskFiller, fill_lines

_SHOWN = 60  # characters of a text in a message


class MlmPredictor(Predictor):
    """A trained masked language model; texts of any length are read window by window."""

    def __init__(self, folder: Path, *, config: dict[str, Any]) -> None:
        super().__init__(folder, config=config)
        self.tokenizer = load_tokenizer(str(folder), key="RUN")
        network = load_network(AutoModelForMaskedLM, str(folder), key="RUN")
        self.filler = MaskFiller(network.model.eval().to(best_device()), self.tokenizer)

    def problem(self, text: str) -> str | None:
        """Says what is wrong with a text that has no mask."""
        if self.tokenizer.mask_token in self.filler.with_own_mask(text):
            return None
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return (
            "must have [MASK] where a word is to be filled in, as in 'The Milky Way is a [MASK] "
            f"galaxy.', but is {shown!r} instead."
        )

    def batch(self, texts: list[str], *, top_k: int) -> list[dict[str, Any]]:
        """Fills in some texts.

        Each result has ``text`` and ``masks``, for each mask a list of fill-ins with their
        probability, as of 🤗 ``pipeline("fill-mask")``.
        """
        masked = [self.filler.with_own_mask(text) for text in texts]
        ids = self.tokenizer(masked, add_special_tokens=False, verbose=False)["input_ids"]
        filled = self.filler.fill(ids, top_k=top_k)
        return [{"text": text, "masks": masks} for text, masks in zip(texts, filled, strict=True)]

    def lines(self, result: dict[str, Any]) -> list[str]:
        """Returns the text, and the fill-ins below it."""
        return [result["text"], *fill_lines(result["masks"])]
