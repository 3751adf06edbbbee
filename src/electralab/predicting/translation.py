"""What a trained model translates a text to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from electralab.predicting import Predictor


class TranslationPredictor(Predictor):
    """An encoder with a decoder; it writes as its folder says, so that ``generate`` does the same.

    Args:
        folder: The model's folder, with its tokenizer.
        config: The configuration of the run that trained it, as plain mappings.

    Raises:
        UserError: The model or its tokenizer is damaged.
    """

    def __init__(self, folder: Path, *, config: dict[str, Any]) -> None:
        super().__init__(folder, config=config)
        from transformers import AutoModelForSeq2SeqLM

        from electralab.models.languages import set_languages
        from electralab.models.networks import load_network
        from electralab.models.tokenizers import load_tokenizer, needs_of
        from electralab.predicting.device import best_device

        task = config["task"]
        needs = needs_of("translation")
        self.tokenizer = load_tokenizer(str(folder), key="RUN", needs=needs, slow=True)
        set_languages(self.tokenizer, source=task["source_lang"], target=task["target_lang"])
        model = load_network(AutoModelForSeq2SeqLM, str(folder), key="RUN").model
        self.model = model.eval().to(best_device())
        self.prefix = task["prefix"]
        self.max_length = config["data"]["max_length"]

    def batch(self, texts: list[str], *, top_k: int) -> list[dict[str, Any]]:
        """Translates some texts; each result has ``text`` and ``translation``.

        A text beyond the length of the training is cut off, and ``truncated``. A blank one stays.

        Args:
            texts: Texts of the source language.
            top_k: Plays no part: there is one translation.
        """
        import torch

        results: list[dict[str, Any]] = [{"text": text, "translation": ""} for text in texts]
        written = [row for row, text in enumerate(texts) if text.strip()]
        if not written:
            return results
        whole = self.tokenizer([self.prefix + texts[row] for row in written], verbose=False)
        inputs = self.tokenizer(
            [self.prefix + texts[row] for row in written],
            truncation=True,
            max_length=self.max_length,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            ids = self.model.generate(
                input_ids=inputs["input_ids"].to(self.model.device),
                attention_mask=inputs["attention_mask"].to(self.model.device),
            )
        found = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        for row, translation, source in zip(written, found, whole["input_ids"], strict=True):
            results[row]["translation"] = translation
            if len(source) > self.max_length:
                results[row]["truncated"] = True
        return results

    def lines(self, result: dict[str, Any]) -> list[str]:
        """Returns the translation alone, so that lines in and lines out match."""
        return [result["translation"]]
