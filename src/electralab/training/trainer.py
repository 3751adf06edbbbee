"""🤗 Trainer with exact normalisation, seeded order and metrics that cost no synchronisation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Seq2SeqTrainer
from transformers.trainer import TRAINING_ARGS_NAME

from electralab.training.sampler import EpochSampler


class ExperimentTrainer(Seq2SeqTrainer):
    """Trains any model that returns its loss and a vector of sums.

    The losses are divided by what the whole effective batch holds, over accumulation steps and
    processes, so that 2 x 16 accumulated, two processes of 16 and one batch of 32 agree.

    Args:
        count_items: Counts what the losses of a batch are divided by.
        window_metrics: Turns the sums of a logging window into metrics.
        tokens: Position of the number of real tokens in the vector of sums.
        eval_collator: Collates evaluation batches.
        prediction: Picks what `compute_metrics` receives from a model's outputs and inputs:
            predictions and labels.
        kwargs: As for `Seq2SeqTrainer`.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        count_items: Callable[[dict[str, Tensor]], Tensor],
        window_metrics: Callable[[list[float]], dict[str, float]],
        tokens: int,
        eval_collator: Callable,
        prediction: Callable[
            [Any, dict[str, Tensor]], tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
        ],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._count_items = count_items
        self._window_metrics = window_metrics
        self._tokens = tokens
        self._eval_collator = eval_collator
        self._prediction = prediction
        self._window: Tensor | None = None
        self._window_start = time.perf_counter()
        self._flos_per_token: int | None = None

    # What a batch is made of.

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        return EpochSampler(len(dataset), seed=self.args.seed)

    def _get_dataloader(self, dataset: Any, description: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("is_training"):
            return super()._get_dataloader(dataset, description, *args, **kwargs)
        collator, self.data_collator = self.data_collator, self._eval_collator
        try:
            return super()._get_dataloader(dataset, description, *args, **kwargs)
        finally:
            self.data_collator = collator

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, Tensor | None]:
        """Collects the batches of one optimiser step and what their losses are divided by."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if not batches:
            return batches, None
        totals = torch.stack([self._count_items(batch) for batch in batches]).sum(0).to(device)
        return batches, self.accelerator.reduce(totals, reduction="sum")

    # One step.

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Any:
        """Returns the loss, divided by the totals of the effective batch, and keeps the sums."""
        outputs = model(**inputs, totals=num_items_in_batch)
        # Gradients are averaged over processes, but the totals are already those of all of them.
        loss = outputs.loss * self.accelerator.num_processes
        sums = outputs.statistics
        self._window = sums if self._window is None else self._window + sums
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs: dict[str, Tensor]) -> int:
        """Counts 6 operations a token and parameter outside the embeddings."""
        if self._flos_per_token is None:
            self._flos_per_token = 6 * self.model.num_parameters(exclude_embeddings=True)
        return self._flos_per_token * inputs["input_ids"].numel()

    # Evaluation.

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
        **kwargs: Any,
    ) -> tuple[None, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns no loss: metrics are computed from every token, not from means of batches."""
        inputs = self._prepare_inputs(inputs)
        with torch.inference_mode(), self.compute_loss_context_manager():
            predictions, labels = self._prediction(model(**inputs), inputs)
        return None, predictions, labels

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluates, and leaves the time it took out of the training speed."""
        start = time.perf_counter()
        metrics = super().evaluate(*args, **kwargs)
        self.skip_time(time.perf_counter() - start)
        return metrics

    # Logs and checkpoints.

    def skip_time(self, seconds: float) -> None:
        """Leaves so many seconds out of `tokens_per_second`."""
        self._window_start += seconds

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the metrics of the window to a training log; the only read-back from the device."""
        if "loss" in logs and self._window is not None:
            sums = self.accelerator.reduce(self._window, reduction="sum").tolist()
            now = time.perf_counter()
            logs = {**logs, **self._window_metrics(sums)}
            logs["tokens_per_second"] = sums[self._tokens] / max(now - self._window_start, 1e-9)
            self._window, self._window_start = None, now
        super().log(logs, start_time)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; the clock of the first window starts here."""
        self._window, self._window_start = None, time.perf_counter()
        return super().train(*args, **kwargs)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self.state.global_step >= self.state.max_steps:
            # Resumed at the end; the Trainer looks at the number of steps only after one more.
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        super()._save_checkpoint(*args, **kwargs)
        self.skip_time(time.perf_counter() - start)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # A pickle of the arguments, which nothing here reads and loading which could run code.
        Path(output_dir or self.args.output_dir, TRAINING_ARGS_NAME).unlink(missing_ok=True)
