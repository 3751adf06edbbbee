"""Masked language modelling: what the task adds to the main path."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForMaskedLM, EvalPrediction, PreTrainedModel

from electralab.config import ModelConfig
from electralab.data.prepare import Prepared
from electralab.models.attention import require_apart
from electralab.models.fill import fill_logits
from electralab.models.flops import Costs, encoder_costs
from electralab.models.mlm_masking import MlmCollator
from electralab.models.padded import MARKS
from electralab.models.sampling import at_least_float32
from electralab.models.words import word_starts
from electralab.task_config import MlmConfig
from electralab.tasks.base import Built, Task, gain, millions, require_finite
from electralab.tasks.network import build_network
from electralab.tasks.preview import PreviewCallback, held_out_sentences, preview_callback
from electralab.tasks.preview_mlm import preview, with_gap

# Evaluation is the same in every run: outside the seeds a run can have, in the paper's shares, of
# single tokens, so that perplexities compare.
EVAL_SEED = 2**40
EVAL_MASK_SHARE, EVAL_RANDOM_SHARE = 0.8, 0.1


@dataclass(frozen=True)
class MlmStep:
    """What one pass over a batch gives.

    Attributes:
        loss: Cross-entropy at the chosen positions, divided by their number, a scalar.
        statistics: Sums of `NAMES`, a vector.
    """

    loss: Tensor
    statistics: Tensor


NAMES = ("loss", "chosen", "right", "real")


class MaskedLanguageModelling(Task[MlmConfig]):
    """The task `mlm`."""

    name = "mlm"
    auto_class = AutoModelForMaskedLM
    tokens = NAMES.index("real")

    def build_model(
        self,
        *,
        model: ModelConfig,
        data: Prepared,
        name_or_path: str | None,
        generator: str | None,
    ) -> Built:
        """Builds an ELECTRA from scratch, or loads any model that fills in masks."""
        if self.config.whole_word:
            word_starts(data.tokenizer)  # refuses a tokenizer before there is a run
        network = build_network(
            AutoModelForMaskedLM,
            model=model,
            name_or_path=name_or_path,
            tokenizer=data.tokenizer,
            lengths={"data.max_length": self.data.max_length},
            apart=(apart := self.data.packing == "separate"),
        )
        if apart:
            special = set(data.tokenizer.all_special_ids)
            normal = [number for number in range(len(data.tokenizer)) if number not in special]
            require_apart(network.model, normal[:8], max_length=self.data.max_length)
        return Built(network.model, able=not network.fresh)

    def collators(self, *, data: Prepared, seed: int) -> tuple[MlmCollator, MlmCollator]:
        """Returns collators that mask; that of evaluation alike in every run."""
        tokenizer = data.tokenizer
        common = {
            "max_length": self.data.max_length,
            "vocab_size": len(tokenizer),
            "pad_id": tokenizer.pad_token_id,
            "mask_id": tokenizer.mask_token_id,
            "special_ids": tuple(tokenizer.all_special_ids),
            "padding_side": tokenizer.padding_side,
        }
        train = MlmCollator(
            seed=seed,
            mask_prob=self.config.mask_prob,
            mask_share=self.config.mask_share,
            random_share=self.config.random_share,
            word_starts=word_starts(tokenizer) if self.config.whole_word else None,
            **common,
        )
        evaluation = MlmCollator(
            seed=EVAL_SEED,
            mask_prob=self.config.eval_mask_prob,
            mask_share=EVAL_MASK_SHARE,
            random_share=EVAL_RANDOM_SHARE,
            **common,
        )
        return train, evaluation

    def count_items(self, batch: dict[str, Tensor]) -> Tensor:
        """Counts chosen positions, of shape ``(1,)``."""
        return batch["chosen"].sum()[None]

    def costs(self, model: PreTrainedModel) -> Costs:
        """Returns what the encoder costs, and the vocabulary at the chosen positions."""
        return encoder_costs(model, head="chosen")

    def step(
        self, model: PreTrainedModel, batch: dict[str, Tensor], totals: Tensor | None
    ) -> MlmStep:
        """Fills in a batch."""
        chosen = batch["chosen"]
        nll, right = _fill(model, batch)
        loss = (nll * chosen).sum()
        if totals is None:
            totals = self.count_items(batch)
        mask = batch.get("attention_mask")
        # Filled on the device: a number from here would have to be copied there, and waited for.
        everything = torch.full_like(chosen.sum(), batch["input_ids"].numel())
        sums = [
            loss.detach(),
            chosen.sum(),
            (right & chosen).sum(),
            everything if mask is None else mask.sum(),
        ]
        dtype = torch.float32 if chosen.device.type == "mps" else torch.float64
        statistics = torch.stack([value.to(dtype) for value in sums])
        return MlmStep(loss / totals[0].clamp(min=1), statistics)

    def window_metrics(self, sums: list[float]) -> dict[str, float]:
        """Turns the sums of a logging window into metrics."""
        found = dict(zip(NAMES, sums, strict=True))
        return {"accuracy": found["right"] / max(found["chosen"], 1)}

    def predict(
        self, model: PreTrainedModel, batch: dict[str, Tensor], *, split: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns the loss of each position, and as labels where the likeliest token is right.

        Labels are −100 where nothing was chosen.
        """
        nll, right = _fill(model, batch)
        return (nll,), (torch.where(batch["chosen"], right.to(torch.int8), -100),)

    def compute_metrics(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Computes the evaluation metrics over every chosen position, in float64.

        Raises:
            RunFailure: The model gives numbers that are not finite.
        """
        (nll,), (right,) = evaluated.predictions, evaluated.label_ids
        chosen = right >= 0
        losses = nll[chosen].astype(np.float64)
        require_finite(losses)
        loss = losses.sum() / max(1, chosen.sum())
        return {
            "loss": float(loss),
            "accuracy": float((right == 1).sum() / max(1, chosen.sum())),
            "perplexity": math.exp(min(loss, 700.0)),  # beyond there is no float
        }

    def previews(self, data: Prepared) -> PreviewCallback | None:
        """Returns the callback that shows held-out sentences, if previews are asked for."""
        return preview_callback(
            every=self.config.preview_steps,
            count=self.config.preview_examples,
            data=data,
            collate=self.collators(data=data, seed=0)[1],
            preview=preview,
        )

    def describe(self, model: PreTrainedModel) -> str:
        """Returns a line about the kind and the size of the model."""
        config = model.config
        return (
            f"{type(model).__name__} {config.num_hidden_layers} x {config.hidden_size}, "
            f"{millions(model)} parameters, vocabulary {config.vocab_size:,}"
        )

    def highlights(
        self, metrics: dict[str, float], *, baseline: dict[str, float], data: Prepared
    ) -> list[str]:
        """Returns the lines of a summary that say what was learned."""
        if "eval_loss" not in metrics:
            return ["no validation split: nothing was measured"]
        gap = data.unigram_entropy - metrics["eval_loss"]
        return [
            gain("eval_perplexity", metrics, baseline, form="{:.2f}"),
            gain("eval_accuracy", metrics, baseline),
            f"eval_loss {metrics['eval_loss']:.3f} nats, {abs(gap):.3f} "
            f"{'below' if gap > 0 else 'above'} the corpus's unigram entropy of "
            f"{data.unigram_entropy:.3f}",
        ]

    def examples(self, data: Prepared) -> list[str]:
        """Returns a held-out text with a gap."""
        if data.validation is None:
            return []
        [ids] = held_out_sentences(data.validation, data.tokenizer, 1)
        return [with_gap(data.tokenizer, ids[1:-1].tolist())]


def _fill(model: PreTrainedModel, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Returns losses in nats and whether the likeliest token is right, of shape ``(batch, K)``."""
    read = {name: batch[name] for name in (*MARKS, "input_ids", "positions") if name in batch}
    logits = fill_logits(model, **read)  # (B, K, V)
    originals = batch["originals"]
    nll = F.cross_entropy(
        at_least_float32(logits).flatten(0, 1), originals.flatten(), reduction="none"
    )
    return nll.view_as(originals), logits.argmax(-1) == originals
