"""Classification and regression: what the task adds to the main path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor
from transformers import AutoModelForSequenceClassification, EvalPrediction, PreTrainedModel

from electralab.checking.classification_checks import unfit
from electralab.config import ModelConfig
from electralab.data.collate import PackingCollator, PaddingCollator
from electralab.data.prepare import Prepared
from electralab.errors import UserError
from electralab.models.first_tokens import class_logits, look_at_first_tokens
from electralab.models.flops import Costs, encoder_costs
from electralab.models.inputs import input_names
from electralab.task_config import ClassificationConfig
from electralab.tasks import classification_metrics as measures
from electralab.tasks.base import Built, Task, gain, millions, require_finite
from electralab.tasks.class_weights import class_weights
from electralab.tasks.classification_loss import (
    STATISTICS,
    ClassifierStep,
    count_items,
    count_right,
    loss_sum,
)
from electralab.tasks.classifier import build_classifier, freeze_encoder, listed
from electralab.tasks.confusion import draw_confusion
from electralab.tasks.labels import LabelEncoder
from electralab.tasks.layer_decay import layer_scales
from electralab.tasks.try_texts import short_texts

_SPLITS = {"eval": "validation", "test": "test"}
_SHOWN = ("accuracy", "f1", "pearson", "spearman")


class Classification(Task[ClassificationConfig]):
    """The task `classification`."""

    name = "classification"
    auto_class = AutoModelForSequenceClassification
    tokens = STATISTICS.index("tokens")

    _labels: Sequence[str] = ()  # names of the classes; none where there are scores
    _weights: Tensor | None = None  # of the classes in the loss, (classes,)
    _model_inputs: Sequence[str] = ("input_ids", "attention_mask")
    _split = "eval"  # which is being evaluated

    def encoder(self) -> LabelEncoder:
        """Returns how a labelled text or pair becomes a row."""
        return LabelEncoder(config=self.config, data=self.data)

    def prepare(self, **how: Any) -> Prepared:
        """Prepares the data as `Task.prepare` does, and looks whether the settings fit them."""
        data = super().prepare(**how)
        if problems := [*unfit(self.config, data.facts["labels"])]:  # of data from the cache
            raise UserError(problems)
        return data

    def build_model(
        self,
        *,
        model: ModelConfig,
        data: Prepared,
        name_or_path: str | None,
        generator: str | None,
    ) -> Built:
        """Builds an encoder with a head for what the data holds."""
        self._labels = data.facts["labels"]
        self._matrices: dict[str, np.ndarray] = {}  # by split, of its last evaluation
        if self.config.class_weights is not None:
            weights = class_weights(
                self.config.class_weights,
                counts=np.bincount(_ids(data, "train"), minlength=len(self._labels)),
                names=self._labels,
            )
            self._weights = torch.tensor(weights, dtype=torch.float32)
        built = build_classifier(
            model=model,
            name_or_path=name_or_path,
            tokenizer=data.tokenizer,
            labels=self._labels,
            problem=self.config.problem,
            max_length=self.data.max_length,
        )
        if self.config.freeze_encoder:
            freeze_encoder(built.model)
        self._model_inputs = input_names(built.model, data.tokenizer)
        if not look_at_first_tokens(built.model, several=self._packs) and self._packs:
            kind = built.model.config.model_type
            raise UserError(
                "`data.packing` must be none for a model that cannot keep the texts of a row apart "
                f"or whose head reads more than their first tokens, as this {kind!r}, but is "
                "separate instead."
            )
        return built

    def collators(self, *, data: Prepared, seed: int) -> tuple[Callable, Callable]:
        """Returns collators that pad to the longest row; that of training may pack."""
        classes = len(self._labels) if self.config.problem == "multi_label" else None
        how = {"tokenizer": data.tokenizer, "names": self._model_inputs, "classes": classes}
        # As the matrix units of a GPU like it.
        pad = PaddingCollator(**how, multiple=8 if torch.cuda.is_available() else None)
        return (PackingCollator(**how) if self._packs else pad), pad

    @property
    def _packs(self) -> bool:
        return self.data.packing == "separate"

    def count_items(self, batch: dict[str, Tensor]) -> Tensor:
        """Counts rows, or the weights of their classes, of shape ``(1,)``."""
        return count_items(batch["labels"], weights=self._weights_on(batch["labels"].device))

    def costs(self, model: PreTrainedModel) -> Costs:
        """Returns what the encoder costs, and a head for each text."""
        return encoder_costs(model, head="text")

    def step(
        self, model: PreTrainedModel, batch: dict[str, Tensor], totals: Tensor | None
    ) -> ClassifierStep:
        """Runs the model on a batch."""
        labels, problem = batch["labels"], self.config.problem
        logits = _logits(model, batch)
        weights = self._weights_on(labels.device)
        total = loss_sum(logits, labels, problem=problem, weights=weights)
        items = count_items(labels, weights=weights)
        right = count_right(logits, labels, problem=problem)
        rows, tokens = items.new_full((), len(labels)), batch["attention_mask"].sum()
        sums = (total.detach(), items[0], right, rows, tokens)
        return ClassifierStep(
            loss=total / (items if totals is None else totals)[0],
            statistics=torch.stack([value.float() for value in sums]),
        )

    def window_metrics(self, sums: list[float]) -> dict[str, float]:
        """Returns the accuracy of a logging window; of scores there is none."""
        found = dict(zip(STATISTICS, sums, strict=True))
        if self.config.problem == "regression":
            return {}
        return {"accuracy": found["right"] / max(found["rows"], 1.0)}

    def predict(
        self, model: PreTrainedModel, batch: dict[str, Tensor], *, split: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns the logits and the labels."""
        self._split = split
        return (_logits(model, batch).float(),), (batch["labels"],)

    def compute_metrics(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Measures a whole split.

        Raises:
            RunFailure: The model gives numbers that are not finite.
        """
        (logits,), (labels,) = evaluated.predictions, evaluated.label_ids
        logits = logits.astype(np.float64)
        require_finite(logits)
        if self.config.problem == "regression":
            return measures.regression(logits[:, 0], labels.astype(np.float64))
        if self.config.problem == "multi_label":
            return measures.multi_label(logits, labels)
        self._matrices[self._split] = confusion_matrix(
            labels, logits.argmax(-1), labels=range(len(self._labels))
        )
        weights = None if self._weights is None else self._weights.double().cpu().numpy()
        return measures.single_label(logits, labels, average=self._average, weights=weights)

    def rate_scales(self, model: PreTrainedModel) -> dict[str, float] | None:
        """Returns the rates of `task.layer_decay`."""
        decay = self.config.layer_decay
        return None if decay == 1 else layer_scales(model, decay=decay)

    def artifacts(self, model: PreTrainedModel, data: Prepared, folder: Path) -> list[Path]:
        """Draws the confusion matrix of each split, as its last evaluation found it."""
        return [
            draw_confusion(
                counts,
                self._labels,
                folder / f"confusion_{split}.png",
                title=f"{_SPLITS[split]} split, {counts.sum():,} rows",
            )
            for split, counts in self._matrices.items()
        ]

    def describe(self, model: PreTrainedModel) -> str:
        """Returns a line about the encoder and the classes."""
        config = model.config
        what = f"{len(self._labels)} classes: {listed(self._labels)}" if self._labels else "a score"
        if self.config.problem == "single_label" and self._average == "binary":
            what += f"; F1 is that of {self._labels[1]}"
        frozen = ", the encoder frozen" if self.config.freeze_encoder else ""
        return (
            f"{config.model_type} {config.num_hidden_layers} x {config.hidden_size} "
            f"({millions(model)} parameters{frozen}), {what}"
        )

    def highlights(
        self, metrics: dict[str, float], *, baseline: dict[str, float], data: Prepared
    ) -> list[str]:
        """Returns the measures of each split, and what a guess would reach."""
        lines = []
        for split, rows in _SPLITS.items():
            shown = [f"{split}_{name}" for name in _SHOWN if f"{split}_{name}" in metrics]
            if shown:
                found = ", ".join(gain(name, metrics, baseline) for name in shown)
                lines.append(f"{rows:<14} {found}{self._guess(data, rows)}")
        return lines or ["no validation split: nothing was measured"]

    def examples(self, data: Prepared) -> list[str]:
        """Returns two short texts, or pairs with a tab between, that were not trained on."""
        rows = data.validation or data.test or data.train
        texts = 1 if self.data.columns.text_pair is None else 2
        return short_texts(rows, data.tokenizer, number=2, texts=texts)

    @property
    def _average(self) -> str:
        return self.config.average or ("binary" if len(self._labels) == 2 else "macro")

    def _guess(self, data: Prepared, split: str) -> str:
        """Returns how good it is to always say the most frequent class."""
        if self.config.problem != "single_label":
            return ""
        counts = np.bincount(_ids(data, split), minlength=len(self._labels))
        most = int(counts.argmax())
        return f"; always {self._labels[most]!r}: accuracy {counts[most] / counts.sum():.4f}"

    def _weights_on(self, device: torch.device) -> Tensor | None:
        if self._weights is not None:
            self._weights = self._weights.to(device)
        return self._weights


def _logits(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """Returns what the head says, of shape ``(batch, classes)``."""
    return class_logits(model, {n: value for n, value in batch.items() if n != "labels"})


def _ids(data: Prepared, split: str) -> np.ndarray:
    """Returns the class of each row of a split, of shape ``(rows,)``."""
    rows = getattr(data, split)
    return np.asarray(rows.table["labels"][:], dtype=np.int64)
