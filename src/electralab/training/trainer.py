"""🤗 Trainer with exact normalisation, seeded order and metrics that cost no synchronisation."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Seq2SeqTrainer
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from electralab.checking.trainer_args import SKIP, STOP
from electralab.data.rows import EncodedRows
from electralab.tasks.base import Task
from electralab.training import memory, window
from electralab.training.health import Health
from electralab.training.sampler import EpochSampler, ProcessBatches

_IDLE = "idle"  # marks a batch that this process goes through for the others' sake


class ExperimentTrainer(Seq2SeqTrainer):
    """Trains the model of any task.

    The losses are divided by what the whole effective batch holds, over accumulation steps and
    processes, so that 2 x 16 accumulated, two processes of 16 and one batch of 32 agree.

    Args:
        task: Gives the loss and sums of a batch, its counts and its predictions.
        eval_collator: Collates evaluation batches.
        on_nan: What happens at a step that is not finite: ``stop`` or ``skip``.
        kwargs: As for `Seq2SeqTrainer`.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        task: Task,
        eval_collator: Callable,
        on_nan: str = STOP,
        **kwargs: Any,
    ) -> None:
        super().__init__(compute_metrics=task.compute_metrics, **kwargs)
        self.health = Health(self, skips=on_nan == SKIP)
        self._task = task
        self._eval_collator = eval_collator
        self._split = "eval"
        self.pruned: str | None = None  # why a search stopped the training
        self.evaluated: dict[str, tuple[int, dict[str, float]]] = {}  # step and metrics, by split
        self.window: Tensor | None = None  # sums since the last log
        self._window_start = time.perf_counter()
        self._flos_per_token: int | None = None
        self._shared: ProcessBatches | None = None  # where several processes train

    # What a batch is made of.

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        # Batches of like lengths have few pads; token blocks are full. What is accumulated or lies
        # on several devices stands together, so that one large batch holds the same examples.
        alike = isinstance(dataset, EncodedRows)
        parts = self.args.gradient_accumulation_steps * self.args.world_size
        return EpochSampler(
            len(dataset),
            seed=self.args.seed,
            lengths=dataset.lengths if alike else None,
            batch_size=self._train_batch_size * parts,
        )

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        if isinstance(eval_dataset, EncodedRows):
            return np.argsort(-eval_dataset.lengths, kind="stable").tolist()
        return super()._get_eval_sampler(eval_dataset)

    def _get_dataloader(self, dataset: Any, description: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("is_training"):
            loader = super()._get_dataloader(dataset, description, *args, **kwargs)
            self._share_out(loader)
            return loader
        collator, self.data_collator = self.data_collator, self._eval_collator
        try:
            return super()._get_dataloader(dataset, description, *args, **kwargs)
        finally:
            self.data_collator = collator

    def _share_out(self, loader: Any) -> None:
        """Gives this process its part of the batches, where there are several."""
        if self.args.world_size == 1:
            return
        # Accelerate would fill the end of an epoch up with examples from its beginning.
        shard = loader.batch_sampler
        self._shared = shard.batch_sampler = ProcessBatches(
            shard.batch_sampler.sampler,
            batch_size=self._train_batch_size,
            processes=self.args.world_size,
            rank=self.args.process_index,
            drop_last=self.args.dataloader_drop_last,
        )
        shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
        # A launcher sends its SIGTERM to the workers too, which the run itself is going to end.
        seed = loader.base_dataloader.worker_init_fn
        loader.base_dataloader.worker_init_fn = partial(_ignore_signals, seed)

    def get_batch_samples(
        self, epoch_iterator: Iterator, num_batches: int, device: torch.device
    ) -> tuple[list, Tensor | None]:
        """Collects the batches of one optimiser step and what their losses are divided by."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if not batches:
            return batches, None
        counts = [self._task.count_items(batch) for batch in batches]
        if self._shared and self._shared.idle and self.accelerator.gradient_state.end_of_dataloader:
            batches[-1][_IDLE], counts[-1] = True, counts[-1] * 0
        self.health.begin(batches)
        totals = torch.stack(counts).sum(0).to(device)
        return batches, self.accelerator.reduce(totals, reduction="sum")

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Makes the optimiser, with a learning rate a parameter where the task wants one."""
        model = self.model if model is None else model
        scales = self._task.rate_scales(model)
        if scales is None or self.optimizer is not None:
            return super().create_optimizer(model)
        decayed = set(self.get_decay_parameter_names(model))
        groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                groups.setdefault((scales[name], name in decayed), []).append(parameter)
        optimizer_cls, kwargs = self.get_optimizer_cls_and_kwargs(self.args, model)
        self.optimizer = optimizer_cls(
            [
                {
                    "params": parameters,
                    "lr": self.args.learning_rate * scale,
                    "weight_decay": self.args.weight_decay if decays else 0.0,
                }
                for (scale, decays), parameters in groups.items()
            ],
            **kwargs,
        )
        return self.optimizer

    # One step.

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Any:
        """Returns the loss, divided by the totals of the effective batch, and keeps the sums."""
        counted = not inputs.pop(_IDLE, False)
        outputs = self._task.step(model, inputs, num_items_in_batch)
        # Gradients are averaged over processes, but the totals are already those of all of them.
        loss = outputs.loss * (self.accelerator.num_processes * counted)
        sums = outputs.statistics * counted
        self.window = sums if self.window is None else self.window + sums
        loss = self.health.weigh(loss, sums)
        return (loss, outputs) if return_outputs else loss

    def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Tensor | float:
        norm = super()._get_grad_norm(*args, **kwargs)
        self.health.judge(norm)
        return norm

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
            predictions, labels = self._task.predict(model, inputs, split=self._split)
        return None, predictions, labels

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluates, and leaves no trace in the training: neither in its speed nor in its numbers.

        A loader draws from the generator that dropout draws from when it is asked for batches.
        """
        start = time.perf_counter()
        self._split = kwargs.get("metric_key_prefix", "eval")
        advice = partial(memory.of_evaluation, self.args, max_length=self._task.data.max_length)
        with torch.random.fork_rng(devices=[]), memory.explained("The evaluation", advice):
            metrics = super().evaluate(*args, **kwargs)
        self.evaluated[self._split] = self.state.global_step, metrics
        self.skip_time(time.perf_counter() - start)
        return metrics

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Goes through a split; every row counts once, in however many processes."""
        # `Seq2SeqTrainer` keeps the rows that accelerate reads twice to make even batches.
        self.gather_function = self.accelerator.gather_for_metrics
        return super().evaluation_loop(*args, **kwargs)

    # Logs and checkpoints.

    def skip_time(self, seconds: float) -> None:
        """Leaves so many seconds out of `tokens_per_second`."""
        self._window_start += seconds

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the metrics of the window to a training log; the only read-back from the device."""
        if "loss" in logs and self.window is not None:
            sums = self.accelerator.reduce(self.window, reduction="sum").tolist()
            now = time.perf_counter()
            logs = {**logs, **self._task.window_metrics(sums)}
            logs["tokens_per_second"] = sums[self._task.tokens] / max(
                now - self._window_start, 1e-9
            )
            self.window, self._window_start = None, now
        if "loss" in logs or "train_runtime" in logs:
            logs = self.health.completed(logs)
        super().log(logs, start_time)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        if self.control.should_log or self.control.should_evaluate or self.control.should_save:
            self.health.before_log_or_save()
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; the clock of the first window starts here."""
        self.window, self._window_start = None, time.perf_counter()
        if self.args.world_size > 1:
            # Measured before, the model counts as prepared, and its gradients would not be shared.
            self.model._is_accelerate_prepared = False
        advice = partial(memory.of_training, self.args, max_length=self._task.data.max_length)
        with memory.workers_explained(self.args), memory.explained("The training", advice):
            return super().train(*args, **kwargs)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        if self._shared:
            # Accelerate does not find it behind the batches that a resumed run skips.
            self._shared.sampler.set_epoch(kwargs["epoch"])
        if self.state.global_step >= self.state.max_steps:
            # Resumed at the end; the Trainer looks at the number of steps only after one more.
            self.control.should_training_stop = True
            return
        if kwargs["resume_from_checkpoint"] and kwargs["epoch"] == kwargs["epochs_trained"]:
            window.take_up(self, Path(kwargs["resume_from_checkpoint"]))
        super()._run_epoch(*args, **kwargs)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        name = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        window.keep(self, Path(self.args.output_dir, name))
        super()._save_checkpoint(*args, **kwargs)
        self.skip_time(time.perf_counter() - start)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # A pickle of the arguments, which nothing here reads and loading which could run code.
        Path(output_dir or self.args.output_dir, TRAINING_ARGS_NAME).unlink(missing_ok=True)


def _ignore_signals(then: Callable[[int], None] | None, worker: int) -> None:
    """Prepares a loader's worker: it goes on until its process ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if then is not None:
        then(worker)
