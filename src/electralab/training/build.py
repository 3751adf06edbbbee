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

from electralab.checking.trainer_args import STOP
from electralab.data.streaming import StreamedBlocks
from electralab.training import memory
from electralab.training.phases import PhasedCollator, PhasedRows
from electralab.training.progress import LinePrinter, ProgressBar
from electralab.training.together import draw_apart
from electralab.training.trainer import ExperimentTrainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from electralab.checking.phase_checks import Phase
    from electralab.data.prepare import Prepared
    from electralab.tasks.base import Task


def build_trainer(
    *,
    task: Task,
    model: PreTrainedModel,
    arguments: Seq2SeqTrainingArguments,
    data: Prepared,
    seed: int,
    early_stopping_patience: int | None,
    callbacks: list[TrainerCallback],
    on_nan: str = STOP,
    phases: Sequence[Phase] = (),
) -> ExperimentTrainer:
    """Builds the Trainer of a run.

    Args:
        task: Gives the collators, the loss and the metrics.
        model: What is trained.
        arguments: Arguments of the Trainer.
        data: The prepared data, with `train`, `validation` and `tokenizer`.
        seed: Of all that is drawn in training.
        early_stopping_patience: Evaluations without a better metric; none: never stop early.
        callbacks: Besides those for progress and early stopping.
        on_nan: What happens at a step that is not finite: ``stop`` or ``skip``.
        phases: Parts of the training with rows of different lengths; none: it has one length.
    """
    if isinstance(data.train, StreamedBlocks):
        together = arguments.train_batch_size * arguments.gradient_accumulation_steps
        data.train.expect(arguments.max_steps * together * arguments.world_size, seed=seed)
    collate, eval_collate = task.collators(data=data, seed=seed)
    rows = data.train
    if phases:
        rows, collate = PhasedRows(phases, data.by_length), PhasedCollator(collate, phases)
    with memory.explained("The model", memory.MODEL):  # on its way to the device
        trainer = ExperimentTrainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=data.validation,
            data_collator=collate,
            eval_collator=eval_collate,
            processing_class=data.tokenizer,
            task=task,
            on_nan=on_nan,
            callbacks=callbacks,
        )
    draw_apart(seed)
    for shown in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(shown)
    trainer.add_callback(ProgressBar() if sys.stderr.isatty() else LinePrinter())
    if early_stopping_patience is not None:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience))
    return trainer
