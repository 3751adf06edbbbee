"""What a trained classifier says about texts and pairs of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from electralab.data.collate import PaddingCollator
from electralab.data.tokenise import tokenise
from electralab.errors import UserError
from electralab.models.inputs import input_names
from electralab.models.networks import load_network
from electralab.models.tokenizers import load_tokenizer, needs_of
from electralab.predicting import Predictor
from electralab.predicting.device import best_device

LIKELY = 0.5  # from where on a class is one of an example's several
_SHOWN = 60  # characters of a text in a message


class ClassificationPredictor(Predictor):
    """A trained classifier, or a model that gives scores."""

    def __init__(self, folder: Path, *, config: dict[str, Any]) -> None:
        super().__init__(folder, config=config)
        self.kind = config["task"]["problem"]
        self.pairs = config["data"]["columns"]["text_pair"] is not None
        name = str(folder)
        self.tokenizer = load_tokenizer(name, key="RUN", needs=needs_of("classification"))
        network = load_network(AutoModelForSequenceClassification, name, key="RUN")
        self.model = network.model.eval().to(best_device())
        self.labels = network.labels
        self._collate = PaddingCollator(
            tokenizer=self.tokenizer, names=input_names(self.model, self.tokenizer)
        )

    def problem(self, text: str) -> str | None:
        """Says what is wrong with a text that is no pair, where pairs were trained on."""
        parts = text.split("\t")
        if not self.pairs or (len(parts) == 2 and all(map(str.strip, parts))):
            return None
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return (
            f"must be two texts with a tab between, as in $'one\\tother', but is {shown!r} instead."
        )

    def batch(self, texts: list[str], *, top_k: int) -> list[dict[str, Any]]:
        """Judges some texts.

        Each result has ``text`` (and ``text_pair``), and what is said of it: ``label``, ``score``
        (its probability) and ``scores``, the `top_k` most probable labels; of several labels
        ``labels`` (those of a probability of at least .5) and ``scores``; of a regression a
        ``score`` alone.

        Raises:
            UserError: A pair was trained on, and a text is none.
        """
        for text in texts:
            if (problem := self.problem(text)) is not None:
                raise UserError(f"TEXT {problem}")
        examples = [self._split(text) for text in texts]
        columns = tokenise(
            [example["text"] for example in examples],
            [example["text_pair"] for example in examples] if self.pairs else None,
            tokenizer=self.tokenizer,
            max_length=self.config["data"]["max_length"],
        )
        rows = [{name: columns[name][row] for name in columns} for row in range(len(texts))]
        with torch.inference_mode():
            batch = {name: ids.to(self.model.device) for name, ids in self._collate(rows).items()}
            logits = self.model(**batch).logits.float()  # (batch, classes)
        for example, row in zip(examples, rows, strict=True):
            if row["full_length"] > row["length"]:
                example["truncated"] = True
        if self.kind == "regression":
            return [
                {**example, "score": score}
                for example, score in zip(examples, logits[:, 0].tolist(), strict=True)
            ]
        several = self.kind == "multi_label"
        probabilities = logits.sigmoid() if several else logits.softmax(-1)
        results = []
        for example, row in zip(examples, probabilities.tolist(), strict=True):
            scores = [
                {"label": label, "score": score}
                for label, score in zip(self.labels, row, strict=True)
            ]
            scores.sort(key=lambda found: -found["score"])
            if several:
                said = {"labels": [s["label"] for s in scores if s["score"] >= LIKELY]}
            else:
                said = dict(scores[0])
            results.append({**example, **said, "scores": scores[:top_k]})
        return results

    def lines(self, result: dict[str, Any]) -> list[str]:
        """Returns the text, and the labels or the score below it."""
        shown = "\t".join(result[name] for name in ("text", "text_pair") if name in result)
        if "scores" not in result:
            return [shown, f"  score {result['score']:.4f}"]
        scores = ", ".join(f"{found['label']} {found['score']:.3f}" for found in result["scores"])
        if "labels" in result:
            return [shown, f"  {', '.join(result['labels']) or '(none)'}  ({scores})"]
        return [shown, f"  {scores}"]

    def _split(self, text: str) -> dict[str, Any]:
        if not self.pairs:
            return {"text": text}
        first, second = text.split("\t")
        return {"text": first, "text_pair": second}
