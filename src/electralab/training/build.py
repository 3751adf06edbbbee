"""Putting the Trainer of a run together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    ProgressCallback,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from electralab.training.progress import LinePrinter, ProgressBar
from electralab.training.trainer import ExperimentTrainer

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.tasks.rtd import ReplacedTokenDetection


def build_trainer(
    *,
    task: ReplacedTokenDetection,
    model: PreTrainedModel,
    arguments: Seq2SeqTrainingArguments,
    data: Prepared,
    max_length: int,
    seed: int,
    early_stopping_patience: int | None,
    callbacks: list[TrainerCallback],
) -> ExperimentTrainer:
    """Builds the Trainer of a run.

    Args:
        task: Gives collators, counts and metrics.
        model: What is trained.
        arguments: Arguments of the Trainer.
        data: The prepared data, with `train`, `validation` and `tokenizer`.
        max_length: Longest example, in tokens.
        seed: Seed of the masks.
        early_stopping_patience: Evaluations without a better metric; none: never stop early.
        callbacks: Besides those for progress and early stopping.
    """
    collate, eval_collate = task.collators(
        tokenizer=data.tokenizer, max_length=max_length, seed=seed, unigram=data.unigram
    )
    trainer = ExperimentTrainer(
        model=model,
        args=arguments,
        train_dataset=data.train,
        eval_dataset=data.validation,
        data_collator=collate,
        eval_collator=eval_collate,
        processing_class=data.tokenizer,
        count_items=task.count_items,
        window_metrics=task.window_metrics,
        tokens=task.tokens,
        prediction=task.prediction,
        compute_metrics=task.compute_metrics,
        callbacks=callbacks,
    )
    for shown in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(shown)
    trainer.add_callback(ProgressBar() if sys.stderr.isatty() else LinePrinter())
    if early_stopping_patience is not None:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience))
    return trainer
