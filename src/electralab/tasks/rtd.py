"""Replaced token detection: what the task adds to the main path."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import EvalPrediction, PreTrainedTokenizerBase

from electralab.config import ModelConfig, RtdConfig
from electralab.errors import RunFailure, UserError
from electralab.models.build import (
    DROPOUT,
    check_fit,
    electra_config,
    generator_for,
    load_pair,
    set_attention,
)
from electralab.models.loading import is_pair, load_whole_pair
from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdOutput, RtdPair, RtdPairConfig
from electralab.models.statistics import RtdStatistics
from electralab.tasks.auc import row_bootstrap_auc
from electralab.tasks.preview import PreviewCallback, held_out_sentences, preview

# Outside the seeds a run can have: evaluation is the same in every run and never a training mask.
EVAL_SEED = 2**40
EVAL_REPLACE_PROB = 0.85
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


class ReplacedTokenDetection:
    """The task `rtd`.

    Args:
        config: The keys of `task`.
    """

    name = "rtd"
    tokens = RtdStatistics.names.index("real")
    window_metrics = staticmethod(RtdStatistics.metrics)

    def __init__(self, *, config: RtdConfig) -> None:
        self.config = config

    def build_model(
        self,
        *,
        model: ModelConfig,
        tokenizer: PreTrainedTokenizerBase,
        name_or_path: str | None,
        generator: str | None,
    ) -> RtdPair:
        """Builds the pair from scratch or from checkpoints.

        Args:
            model: The keys of `model`.
            tokenizer: The tokenizer whose ids the pair reads.
            name_or_path: Hub name or folder of the discriminator or of a whole pair.
            generator: Hub name or folder of the generator.

        Raises:
            UserError: A checkpoint cannot be loaded, or the three do not fit together.
        """
        sizes = {name: getattr(model.generator, name) for name in _SIZES}
        if name_or_path is None:
            disc = electra_config(
                **{name: getattr(model, name) for name in _SIZES},
                vocab_size=len(tokenizer),
                embedding_size=model.embedding_size,
                max_position_embeddings=model.max_position_embeddings,
                dropout=model.dropout or 0.0,
                pad_token_id=tokenizer.pad_token_id,
                initializer_range=model.initializer_range,
            )
            pair = RtdPair(
                RtdPairConfig(
                    generator=generator_for(disc, sizes),
                    discriminator=disc,
                    share_embeddings=model.share_embeddings or "all",
                )
            )
            check_fit(pair.config.generator, pair.config.discriminator)
        elif is_pair(name_or_path) and generator is None and model.share_embeddings is None:
            dropout = dict.fromkeys(DROPOUT, model.dropout)
            pair = load_whole_pair(name_or_path, **dropout)
        else:
            own = name_or_path if is_pair(name_or_path) else None
            pair = load_pair(
                name_or_path,
                generator=generator or own,
                generator_sizes=sizes,
                revision=model.revision,
                share_embeddings=model.share_embeddings,
                dropout=model.dropout,
            )
        if len(tokenizer) > (known := pair.config.discriminator.vocab_size):
            raise UserError(
                f"`model.tokenizer` must have at most the model's {known} pieces, but has "
                f"{len(tokenizer)} instead; take the model's own with model.tokenizer=auto."
            )
        if model.attention is not None:
            set_attention(pair, model.attention)
        pair.config.gen_weight = self.config.gen_weight
        pair.config.disc_weight = self.config.disc_weight
        pair.config.sampling_temperature = self.config.temperature
        return pair

    def collators(
        self,
        *,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        seed: int,
        unigram: np.ndarray,
    ) -> tuple[MaskingCollator, MaskingCollator]:
        """Returns the collators of training and of evaluation.

        Args:
            tokenizer: Gives the ids of pads, the mask and the special tokens.
            max_length: Longest example, in tokens.
            seed: Seed of the training masks.
            unigram: Token probabilities of the corpus, of shape ``(vocab_size,)``.
        """
        common = {
            "max_length": max_length,
            "pad_id": tokenizer.pad_token_id,
            "mask_id": tokenizer.mask_token_id,
            "special_ids": tuple(tokenizer.all_special_ids),
            "padding_side": tokenizer.padding_side,
        }
        train = MaskingCollator(
            seed=seed,
            mask_prob=self.config.mask_prob,
            replace_prob=self.config.replace_prob,
            **common,
        )
        evaluation = MaskingCollator(
            seed=EVAL_SEED,
            mask_prob=self.config.eval_mask_prob,
            replace_prob=EVAL_REPLACE_PROB,
            probe=np.cumsum(unigram),
            **common,
        )
        return train, evaluation

    @staticmethod
    def count_items(batch: dict[str, Tensor]) -> Tensor:
        """Counts chosen positions and real tokens, of shape ``(2,)``."""
        mask = batch.get("attention_mask")
        chosen = batch["chosen"].sum()
        # Filled on the device: a number from here would have to be copied there, and waited for.
        everything = torch.full_like(chosen, batch["input_ids"].numel())
        return torch.stack([chosen, everything if mask is None else mask.sum()])

    @staticmethod
    def prediction(
        outputs: RtdOutput, inputs: dict[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Picks what the evaluation metrics need; labels are −100 where nothing counts."""

        def labels(truth: Tensor, counts: Tensor) -> Tensor:
            return torch.where(counts, truth.to(torch.int8), -100)

        mask = inputs.get("attention_mask")
        real = torch.ones_like(outputs.replaced) if mask is None else mask.bool()
        probed = inputs["probe_ids"] != inputs["input_ids"]
        return (outputs.token_nll, outputs.disc_logits, outputs.probe_logits), (
            labels(outputs.guessed, inputs["chosen"]),
            labels(outputs.replaced, real),
            labels(outputs.replaced, inputs["maskable"]),
            labels(probed, inputs["maskable"]),
        )

    def compute_metrics(self, evaluated: EvalPrediction) -> dict[str, float]:
        """Computes the evaluation metrics over every token, in float64.

        Raises:
            RunFailure: The model gives numbers that are not finite.
        """
        nll, disc, probe = (array.astype(np.float64) for array in evaluated.predictions)
        guessed, replaced, own_labels, probe_labels = evaluated.label_ids
        chosen, real = guessed >= 0, replaced >= 0
        if not all(np.isfinite(part).all() for part in (nll[chosen], disc[real], probe[real])):
            raise RunFailure(
                "The training diverged: the model gives numbers that are not finite. Lower "
                "`trainer.learning_rate` or raise `trainer.warmup_steps`."
            )
        is_replaced, doubted = replaced == 1, (disc > 0) & real
        bce = np.logaddexp(0, disc[real]) - disc[real] * is_replaced[real]
        metrics = RtdStatistics.metrics(
            [
                nll[chosen].sum(),
                bce.sum(),
                chosen.sum(),
                (guessed == 1).sum(),
                real.sum(),
                is_replaced.sum(),
                doubted.sum(),
                (doubted & is_replaced).sum(),
                ((doubted == is_replaced) & real).sum(),
            ]
        )
        # Special tokens are never replaced; to know them is no merit.
        own = row_bootstrap_auc(disc, own_labels)
        fixed = row_bootstrap_auc(probe, probe_labels)
        return {
            "loss": self.config.gen_weight * metrics["mlm_loss"]
            + self.config.disc_weight * metrics["disc_loss"],
            **{name: float(value) for name, value in metrics.items()},
            "disc_auc": own.value,
            "disc_auc_low": own.low,
            "disc_auc_high": own.high,
            "probe_auc": fixed.value,
            "probe_auc_low": fixed.low,
            "probe_auc_high": fixed.high,
        }

    def previews(self, *, data: Any, max_length: int) -> PreviewCallback | None:
        """Returns the callback that shows held-out sentences, if previews are asked for."""
        if self.config.preview_steps is None or data.validation is None:
            return None
        _, collate = self.collators(
            tokenizer=data.tokenizer, max_length=max_length, seed=0, unigram=data.unigram
        )
        sentences = held_out_sentences(
            data.validation, data.tokenizer, self.config.preview_examples
        )
        return PreviewCallback(
            every=self.config.preview_steps,
            make=lambda model, step: preview(
                model, tokenizer=data.tokenizer, collate=collate, sentences=sentences, step=step
            ),
        )

    def highlights(self, metrics: dict[str, float], *, unigram_entropy: float) -> list[str]:
        """Returns the lines of a summary that say what was learned."""
        if "eval_mlm_loss" not in metrics:
            return ["no validation split: nothing was measured"]
        gap = unigram_entropy - metrics["eval_mlm_loss"]
        return [
            f"generator      eval_mlm_loss {metrics['eval_mlm_loss']:.3f} nats, "
            f"{abs(gap):.3f} {'below' if gap > 0 else 'above'} the corpus's unigram entropy of "
            f"{unigram_entropy:.3f}",
            *(
                f"discriminator  {label} {metrics[f'eval_{name}_auc']:.3f} "
                f"[{metrics[f'eval_{name}_auc_low']:.3f}, {metrics[f'eval_{name}_auc_high']:.3f}]"
                for name, label in (
                    ("disc", "ROC AUC on the generator's replacements"),
                    ("probe", "ROC AUC on unigram replacements       "),
                )
                if f"eval_{name}_auc" in metrics  # undefined where nothing was replaced
            ),
        ]
