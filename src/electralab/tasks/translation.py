"""Translation from one language to another: what the task adds to the main path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM, EvalPrediction, PreTrainedModel

from electralab.config import DataConfig, ModelConfig
from electralab.data.parallel import IGNORED, ParallelCollator, ParallelEncoder
from electralab.data.prepare import Prepared
from electralab.models.flops import Costs, translation_costs
from electralab.models.generation import (
    given_targets,
    set_generation,
    target_logits,
    target_nll,
)
from electralab.models.languages import forced_tokens, set_languages
from electralab.models.writing import write
from electralab.task_config import TranslationConfig
from electralab.tasks.base import Built, Task, gain, millions, require_finite
from electralab.tasks.bleu import translation_scores
from electralab.tasks.network import build_network

SHOWN = 3  # sentences of the table that are printed at the end
WIDTH = 90  # characters of them
BATCH = 32  # sentences of the table that are translated at a time
# A model that was never trained ends no sentence: more of it says no more.
UNTRAINED_TOKENS = 16


@dataclass(frozen=True)
class Losses:
    """A batch's loss and the number of its real tokens, a vector of one."""

    loss: Tensor
    statistics: Tensor


class Translation(Task[TranslationConfig]):
    """The task `translation`."""

    name = "translation"
    auto_class = AutoModelForSeq2SeqLM
    tokens = 0

    def __init__(self, *, config: TranslationConfig, data: DataConfig) -> None:
        super().__init__(config=config, data=data)
        self._longest = data.max_target_length or data.max_length
        self._from_scratch = False
        self._split = "eval"
        self._data: Prepared | None = None
        self._signatures: dict[str, str] = {}
        self._before: list[str] | None = None
        self._table: list[dict[str, str]] = []

    def encoder(self) -> ParallelEncoder:
        """Returns how a pair of sentences becomes a row."""
        return ParallelEncoder(
            max_length=self.data.max_length,
            max_target_length=self._longest,
            prefix=self.config.prefix,
            source_lang=self.config.source_lang,
            target_lang=self.config.target_lang,
        )

    def build_model(
        self,
        *,
        model: ModelConfig,
        data: Prepared,
        name_or_path: str | None,
        generator: str | None,
    ) -> Built:
        """Builds an encoder with a decoder; even one from scratch is measured before."""
        tokenizer = data.tokenizer
        languages = self.config.source_lang, self.config.target_lang
        set_languages(tokenizer, source=languages[0], target=languages[1])
        lengths = {"data.max_length": self.data.max_length}
        if self.data.max_target_length is not None:
            lengths["data.max_target_length"] = self.data.max_target_length
        network = build_network(
            AutoModelForSeq2SeqLM,
            model=model,
            name_or_path=name_or_path,
            tokenizer=tokenizer,
            lengths=lengths,
        )
        set_generation(
            network.model,
            max_new_tokens=self._longest,
            num_beams=self.config.num_beams,
            **forced_tokens(tokenizer, languages[1]),
        )
        self._from_scratch = name_or_path is None
        return Built(network.model, able=True)

    def collators(self, *, data: Prepared, seed: int) -> tuple[ParallelCollator, ParallelCollator]:
        """Returns the same collator twice: nothing is drawn."""
        self._data = data
        collate = ParallelCollator(pad_id=data.tokenizer.pad_token_id)
        return collate, collate

    def count_items(self, batch: dict[str, Tensor]) -> Tensor:
        """Counts target tokens, of shape ``(1,)``."""
        return (batch["labels"] != IGNORED).sum().view(1)

    def costs(self, model: PreTrainedModel) -> Costs:
        """Returns what encoder, decoder and vocabulary cost."""
        return translation_costs(model)

    def step(
        self, model: PreTrainedModel, batch: dict[str, Tensor], totals: Tensor | None
    ) -> Losses:
        """Returns the cross-entropy of the target tokens, divided by how many there are."""
        counts = self.count_items(batch)
        nll = target_nll(
            target_logits(model, batch),
            batch["labels"],
            label_smoothing=self.config.label_smoothing,
        )
        loss = nll.sum() / (counts if totals is None else totals)[0]
        return Losses(loss, counts + batch["attention_mask"].sum())

    def window_metrics(self, sums: list[float]) -> dict[str, float]:
        """Returns nothing: the loss alone says how the training goes."""
        return {}

    def predict(
        self, model: PreTrainedModel, batch: dict[str, Tensor], *, split: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns the loss of each row and what the model writes; tokens and number of each row."""
        self._split = split
        labels = batch["labels"]
        given = given_targets(model, batch)
        nll = target_nll(given.logits, labels)
        beams = self.config.eval_num_beams if split == "eval" else self.config.num_beams
        read = given.encoder_last_hidden_state
        del given  # its logits take more than all that is written
        written = self._write(model, batch, num_beams=beams, read=read)
        return (nll, written), ((labels != IGNORED).sum(1), batch["index"])

    def _write(
        self,
        model: PreTrainedModel,
        batch: dict[str, Tensor],
        *,
        num_beams: int,
        read: Tensor | None = None,
    ) -> Tensor:
        """Returns ids of shape ``(batch, written)``, without the one that starts the decoder."""
        inner = getattr(model, "module", model)
        longest = min(self._longest, UNTRAINED_TOKENS) if self._untrained else self._longest
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return write(inner, inputs, read=read, num_beams=num_beams, max_new_tokens=longest)

    def compute_metrics(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Scores what was written against the split's own texts, whole and as they stand.

        Raises:
            RunFailure: The model gives numbers that are not finite.
        """
        nll, written = evaluated.predictions
        counts, index = evaluated.label_ids
        require_finite(nll)
        rows = self._data.test if self._split == "test" else self._data.validation
        references = rows.table.select(index)["target"][:]
        scores, self._signatures = translation_scores(self._texts(written), references)
        if self._untrained:  # chrF and TER of short beginnings compare with nothing
            scores = {"bleu": scores["bleu"]}
        real = (written != IGNORED) & (written != self._data.tokenizer.pad_token_id)
        return {
            "loss": float(nll.astype(np.float64).sum() / counts.sum()),
            **scores,
            "generated_length": float(real.sum() / len(written)),
        }

    @property
    def _untrained(self) -> bool:
        return self._from_scratch and self.at_start

    def _texts(self, ids: np.ndarray) -> list[str]:
        tokenizer = self._data.tokenizer
        ids = np.where(ids == IGNORED, tokenizer.pad_token_id, ids)
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    def before(self, model: PreTrainedModel, data: Prepared) -> None:
        """Translates the sentences of the table."""
        self._before = self._translate(model, data)

    def artifacts(self, model: PreTrainedModel, data: Prepared, folder: Path) -> list[Path]:
        """Writes ``translations.json``, the table, and ``signatures.json``, those of the scores."""
        after = self._translate(model, data)
        rows = data.validation.table.select(self._chosen(data)) if after else None
        before = self._before or [""] * len(after)
        self._table = [
            {"source": source, "reference": reference, "before": old, "after": new}
            for source, reference, old, new in zip(
                *(rows["source"], rows["target"]) if rows else ((), ()), before, after, strict=True
            )
        ]
        found: dict[str, Any] = {"translations": self._table, "signatures": self._signatures}
        return [_write_json(folder / f"{name}.json", part) for name, part in found.items() if part]

    def _chosen(self, data: Prepared) -> list[int]:
        """Returns the rows of the table, evenly spaced: the same of the same split in every run."""
        size = len(data.validation) if data.validation is not None else 0
        count = min(size, self.config.examples)
        return [number * size // count for number in range(count)]

    def _translate(self, model: PreTrainedModel, data: Prepared) -> list[str]:
        chosen = self._chosen(data)
        collate, _ = self.collators(data=data, seed=0)
        model.eval()
        texts = []
        for start in range(0, len(chosen), BATCH):
            batch = collate([data.validation[row] for row in chosen[start : start + BATCH]])
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            with torch.inference_mode():
                written = self._write(model, batch, num_beams=self.config.num_beams)
            texts += self._texts(written.cpu().numpy())
        return texts

    def describe(self, model: PreTrainedModel) -> str:
        """Returns a line about the kind and size of the model."""
        return (
            f"{model.config.model_type} {model.config.num_hidden_layers} x "
            f"{model.config.hidden_size}, {millions(model)} parameters, vocabulary "
            f"{model.get_input_embeddings().num_embeddings:,}"
        )

    def highlights(
        self, metrics: dict[str, float], *, baseline: dict[str, float], data: Prepared
    ) -> list[str]:
        """Returns the scores, BLEU's signature and some sentences before and after."""
        if "eval_bleu" not in metrics:
            return ["no validation split: nothing was measured"]
        lines = [
            gain(f"{split}_{name}", metrics, baseline, form="{:.2f}")
            for split in ("eval", "test")
            for name in ("bleu", "chrf", "ter")
            if f"{split}_{name}" in metrics
        ]
        if self._signatures:
            lines.append(f"BLEU           {self._signatures['bleu']}")
        for row in self._table[:SHOWN]:
            shown = [name for name in row if name != "before" or baseline]
            lines += ["", *(f"{name:<14} {_cut(row[name]) or '(nothing)'}" for name in shown)]
        return lines

    def examples(self, data: Prepared) -> list[str]:
        """Returns a source text of the train split."""
        sources = data.train.table[: min(100, len(data.train))]["source"]
        return [min(sources, key=lambda text: abs(len(text) - 30))]


def _cut(text: str) -> str:
    """Returns a text on one line of at most `WIDTH` characters."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
