"""Replaced token detection: what the task adds to the main path."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import EvalPrediction

from electralab.config import ModelConfig
from electralab.data.prepare import Prepared
from electralab.errors import UserError
from electralab.models.attention import choose_attention
from electralab.models.build import (
    DROPOUT,
    check_fit,
    electra_config,
    generator_for,
    load_pair,
)
from electralab.models.flops import Costs, pair_costs
from electralab.models.loading import is_pair, load_whole_pair
from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdOutput, RtdPair, RtdPairConfig
from electralab.models.statistics import RtdStatistics
from electralab.models.tokenizers import check_numbered, id_count
from electralab.task_config import RtdConfig
from electralab.tasks.auc import row_bootstrap_auc
from electralab.tasks.base import Built, Task, millions, require_finite
from electralab.tasks.preview import PreviewCallback, preview_callback
from electralab.tasks.preview_rtd import preview

# Outside the seeds a run can have: evaluation is the same in every run and never a training mask.
EVAL_SEED = 2**40
EVAL_REPLACE_PROB = 0.85
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


class ReplacedTokenDetection(Task[RtdConfig]):
    """The task `rtd`."""

    name = "rtd"
    tokens = RtdStatistics.names.index("real")

    def build_model(
        self,
        *,
        model: ModelConfig,
        data: Prepared,
        name_or_path: str | None,
        generator: str | None,
    ) -> Built:
        """Builds the pair; `name_or_path` is a discriminator or a whole pair."""
        tokenizer = data.tokenizer
        able = False
        sizes = {name: getattr(model.generator, name) for name in _SIZES}
        if name_or_path is None:
            check_numbered(tokenizer)
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
            able = True
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
            able = generator is not None or own is not None
        pieces, known = id_count(tokenizer), pair.config.discriminator.vocab_size
        if pieces > known:
            raise UserError(
                f"`model.tokenizer` must have at most the model's {known} pieces, but has "
                f"{pieces} instead; take the model's own with model.tokenizer=auto."
            )
        choose_attention(pair, model.attention, apart=self.data.packing == "separate")
        pair.config.gen_weight = self.config.gen_weight
        pair.config.disc_weight = self.config.disc_weight
        pair.config.sampling_temperature = self.config.temperature
        return Built(pair, able)

    def collators(self, *, data: Prepared, seed: int) -> tuple[MaskingCollator, MaskingCollator]:
        """Returns collators that mask; that of evaluation alike in every run."""
        tokenizer = data.tokenizer
        common = {
            "max_length": self.data.max_length,
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
            probe=np.cumsum(data.unigram),
            **common,
        )
        return train, evaluation

    def count_items(self, batch: dict[str, Tensor]) -> Tensor:
        """Counts chosen positions and real tokens, of shape ``(2,)``."""
        mask = batch.get("attention_mask")
        chosen = batch["chosen"].sum()
        # Filled on the device: a number from here would have to be copied there, and waited for.
        everything = torch.full_like(chosen, batch["input_ids"].numel())
        return torch.stack([chosen, everything if mask is None else mask.sum()])

    def costs(self, model: RtdPair) -> Costs:
        """Returns what both models cost."""
        config = model.config
        return pair_costs(generator=config.generator, discriminator=config.discriminator)

    def step(self, model: RtdPair, batch: dict[str, Tensor], totals: Tensor | None) -> RtdOutput:
        """Runs the pair, which computes its losses itself."""
        return model(**batch, totals=totals)

    def window_metrics(self, sums: list[float]) -> dict[str, float]:
        """Turns the sums of a logging window into metrics."""
        return RtdStatistics.metrics(sums)

    def predict(
        self, model: RtdPair, batch: dict[str, Tensor], *, split: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Picks what the evaluation metrics need; labels are −100 where nothing counts."""
        outputs, inputs = model(**batch), batch

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
        require_finite(nll[chosen], disc[real], probe[real])
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

    def previews(self, data: Prepared) -> PreviewCallback | None:
        """Returns the callback that shows held-out sentences, if previews are asked for."""
        return preview_callback(
            every=self.config.preview_steps,
            count=self.config.preview_examples,
            data=data,
            collate=self.collators(data=data, seed=0)[1],
            preview=preview,
        )

    def describe(self, model: RtdPair) -> str:
        """Returns a line about the sizes of the pair."""
        disc, gen = model.config.discriminator, model.config.generator
        return (
            f"discriminator {disc.num_hidden_layers} x {disc.hidden_size} "
            f"({millions(model.discriminator)}), generator {gen.num_hidden_layers} x "
            f"{gen.hidden_size} ({millions(model.generator)}), together {millions(model)} "
            f"parameters, vocabulary {disc.vocab_size:,}"
        )

    def highlights(
        self, metrics: dict[str, float], *, baseline: dict[str, float], data: Prepared
    ) -> list[str]:
        """Returns the lines of a summary that say what was learned."""
        if "eval_mlm_loss" not in metrics:
            return ["no validation split: nothing was measured"]
        gap = data.unigram_entropy - metrics["eval_mlm_loss"]
        lines = [
            f"generator      eval_mlm_loss {metrics['eval_mlm_loss']:.3f} nats, "
            f"{abs(gap):.3f} {'below' if gap > 0 else 'above'} the corpus's unigram entropy of "
            f"{data.unigram_entropy:.3f}",
        ]
        for name, label in (
            ("disc", "ROC AUC on the generator's replacements"),
            ("probe", "ROC AUC on unigram replacements       "),
        ):
            key = f"eval_{name}_auc"
            if key in metrics:  # undefined where nothing was replaced
                interval = f"[{metrics[f'{key}_low']:.3f}, {metrics[f'{key}_high']:.3f}]"
                before = f" (before: {baseline[key]:.3f})" if key in baseline else ""
                lines.append(f"discriminator  {label} {metrics[key]:.3f} {interval}{before}")
        return lines

    def examples(self, data: Prepared) -> list[str]:
        """Returns a text with a gap for the generator, and one with a wrong word."""
        return [
            "returns the absolute path of the current [MASK]",
            "returns the absolute banana of the current directory",
        ]
