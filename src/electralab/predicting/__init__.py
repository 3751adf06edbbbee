"""What a trained model says about texts, a file a task."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

_PREDICTORS = {
    "rtd": "rtd:RtdPredictor",
    "mlm": "mlm:MlmPredictor",
    "classification": "classification:ClassificationPredictor",
    "translation": "translation:TranslationPredictor",
}


class Predictor(ABC):
    """A trained model, ready to judge texts.

    Args:
        folder: The model's folder, with its tokenizer.
        config: The configuration of the run that trained it, as plain mappings.

    Raises:
        UserError: The model or its tokenizer is damaged.
    """

    def __init__(self, folder: Path, *, config: dict[str, Any]) -> None:
        self.folder = folder
        self.config = config

    def problem(self, text: str) -> str | None:
        """Says why a text is not what the task judges, as in ``must have …, but …``.

        What calls `batch` asks before, and names the text's place in front of it.
        """
        return None

    @abstractmethod
    def batch(self, texts: list[str], *, top_k: int) -> list[dict[str, Any]]:
        """Judges some texts; each result has ``text`` and what is said of it, for JSON.

        One of a text that was longer than the run's `data.max_length` has ``truncated``, true.

        Args:
            texts: What was typed or stood on a line, none of them blank; the parts of a pair are
                separated by a tab.
            top_k: Answers a question, where there are several.

        Raises:
            UserError: A text is not what the task judges.
        """

    @abstractmethod
    def lines(self, result: dict[str, Any]) -> list[str]:
        """Returns a result in lines for a person."""


def predictor_class(task: str) -> type[Predictor]:
    """Returns the predictor of a task; those of others are not imported."""
    module, _, cls = _PREDICTORS[task].partition(":")
    return getattr(importlib.import_module(f"electralab.predicting.{module}"), cls)
