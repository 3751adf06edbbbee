"""🤗 Trainer with exact normalisation, seeded order and metrics that cost no synchronisation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Seq2SeqTrainer
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME

from electralab.checking.trainer_args import SKIP, STOP
from electralab.data.rows import EncodedRows
from electralab.data.streaming import StreamedBlocks
from electralab.models.dropout import fast_dropout
from electralab.running.folder import read_json
from electralab.tasks.base import Task
from electralab.training import checkpointing, memory, rate, together, window
from electralab.training.health import Health
from electralab.training.phases import PhasedRows, phased_loader
from electralab.training.sampler import EpochSampler, InOrder, ProcessBatches, by_length
from electralab.training.signals import StopOnSignal
from electralab.training.speed import Speed

_IDLE = "idle"  # marks a batch that this process goes through for the others' sake


class ExperimentTrainer(Seq2SeqTrainer):
    """Trains the model of any task.

    The losses are divided by what the whole effective batch holds, over accumulation steps and
    processes, so that 2 x 16 accumulated, two processes of 16 and one batch of 32 agree.

    Args:
        task: Gives the loss and sums of a batch, its counts and its predictions.
        eval_collator: Collates evaluation batches.
        on_nan: What happens at a step that is not finite: ``stop`` or ``skip``.
        speed: Clocks of the training; none: measured against what this machine can do.
        kwargs: As for `Seq2SeqTrainer`.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        task: Task,
        eval_collator: Callable,
        on_nan: str = STOP,
        speed: Speed | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(compute_metrics=task.compute_metrics, **kwargs)
        if self.args.torch_compile and isinstance(self.train_dataset, EncodedRows):
            # Batches of many lengths: one graph for all of them.
            self.accelerator.state.dynamo_plugin.dynamic = True
        self.health = Health(self, skips=on_nan == SKIP)
        self._task = task
        self._eval_collator = eval_collator
        self._split = "eval"
        self.pruned: str | None = None  # why a search stopped the training
        self.evaluated: dict[str, tuple[int, dict[str, float]]] = {}  # step and metrics, by split
        self.window: Tensor | None = None  # sums since the last log
        self.speed = speed or Speed(rate=rate.of_training(self.args))
        self._costs = task.costs(self.model)
        self._shared: ProcessBatches | None = None  # where several processes train
        self.signals: StopOnSignal | None = None
        self.owed = self.due = False  # an evaluation, a checkpoint at this step
        self.ended = False  # resumed at a step where training had come to its end
        self._ended_step: int | None = None  # that the Trainer has ended once
        self._resumed: Path | None = None  # the checkpoint that is yet to be taken up

    # What a batch is made of.

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if isinstance(dataset, StreamedBlocks):
            return InOrder(len(dataset), seed=self.args.seed)
        # Batches of like lengths have few pads; token blocks are full, and so are rows of several
        # texts. What is accumulated or lies on several devices stands together, so that one large
        # batch holds the same examples.
        packed = isinstance(dataset, EncodedRows) and self._task.data.packing == "separate"
        alike = getattr(dataset, "uneven", False) and not packed
        parts = self.args.gradient_accumulation_steps * self.args.world_size
        return EpochSampler(
            len(dataset),
            seed=self.args.seed,
            lengths=dataset.lengths if alike else None,
            batch_size=self._train_batch_size * parts,
        )

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        if getattr(eval_dataset, "uneven", False):
            return np.argsort(-eval_dataset.lengths, kind="stable").tolist()
        return super()._get_eval_sampler(eval_dataset)

    def _get_dataloader(self, dataset: Any, description: str, *args: Any, **kwargs: Any) -> Any:
        if isinstance(dataset, PhasedRows) and kwargs.get("is_training"):
            return phased_loader(self, dataset, _ignore_signals)
        if kwargs.get("is_training"):
            loader = super()._get_dataloader(dataset, description, *args, **kwargs)
            self._share_out(loader)
            return loader
        if self.args.world_size == 1 and isinstance(dataset, EncodedRows):
            loader = by_length(dataset, collate=self._eval_collator, arguments=self.args)
            return self.accelerator.prepare(loader)
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
        batches = self.speed.take(epoch_iterator, num_batches)
        if not batches:
            return batches, None
        counts = [self._task.count_items(batch) for batch in batches]
        if self._shared and self._shared.idle and self.accelerator.gradient_state.end_of_dataloader:
            batches[-1][_IDLE], counts[-1] = True, counts[-1] * 0
        for batch in batches:
            if _IDLE not in batch:
                self.speed.add(self._costs.of(batch))
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
        """Returns nothing, for it is read back at each step: `store_flos` has what was computed."""
        return 0

    def store_flos(self) -> None:
        """Adds what was computed to the count of the whole training, at a log or a checkpoint."""
        self.current_flos = self.speed.unstored()
        super().store_flos()

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
        if self.args.torch_compile:  # a CUDA graph writes its outputs anew at each batch
            predictions = tuple(values.clone() for values in predictions)
        return None, predictions, labels

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluates, and leaves no trace in the training: neither in its speed nor in its numbers.

        A loader draws from the generator that dropout draws from when it is asked for batches.
        """
        self._split = kwargs.get("metric_key_prefix", "eval")
        advice = partial(memory.of_evaluation, self.args, max_length=self._task.data.max_length)
        explained = memory.explained("The evaluation", advice)
        with self.speed.aside(), torch.random.fork_rng(devices=[]), explained:
            metrics = super().evaluate(*args, **kwargs)
        self.evaluated[self._split] = self.state.global_step, metrics
        return metrics

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Goes through a split; every row counts once, in however many processes."""
        # `Seq2SeqTrainer` keeps the rows that accelerate reads twice to make even batches. One
        # process reads none twice, and accelerate would cut off its last batch by counting.
        one = self.args.world_size == 1
        self.gather_function = (
            self.accelerator.gather if one else self.accelerator.gather_for_metrics
        )
        return super().evaluation_loop(*args, **kwargs)

    # Logs and checkpoints.

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the metrics of the window to a training log; the only read-back from the device."""
        if "loss" in logs and self.window is not None:
            logs = {**logs, **self._closed_window()}
        if "train_loss" in logs:
            # The Trainer's own is that of the steps since the last resume.
            mean = self._total_loss_scalar / max(self.state.global_step, 1)
            logs = {**logs, "train_loss": mean}
        if "loss" in logs or "train_runtime" in logs:
            logs = self.health.completed(logs)
        super().log(logs, start_time)

    def _closed_window(self) -> dict[str, float]:
        """Returns what was measured since the last log, in all processes."""
        dtype = torch.float32 if self.window.device.type == "mps" else torch.float64
        clocks = self.window.new_tensor([self.speed.flops, self.speed.waited], dtype=dtype)
        everything = torch.cat([self.window.to(dtype), clocks])
        *sums, flops, waited = self.accelerator.reduce(everything, reduction="sum").tolist()
        self.window = None
        speed = self.speed.close(
            tokens=sums[self._task.tokens],
            flops=flops,
            waited=waited,
            memory=together.highest(memory.peak(self.args.device)),
            processes=self.args.world_size,
        )
        return {**self._task.window_metrics(sums), **speed}

    @property
    def is_cut(self) -> bool:
        """Whether a signal ends the training before its last step."""
        return self.signals is not None and self.signals.cut

    def train(self, resume_from_checkpoint: str | None = None, **kwargs: Any) -> Any:
        """Trains; the clock of the first window starts here."""
        self.window = None
        self.speed.begin()
        memory.forget_peak(self.args.device)
        self._resumed = Path(resume_from_checkpoint) if resume_from_checkpoint else None
        if self.args.world_size > 1:
            # Measured before, the model counts as prepared, and its gradients would not be shared.
            self.model._is_accelerate_prepared = False
        advice = partial(memory.of_training, self.args, max_length=self._task.data.max_length)
        explained = memory.explained("The training", advice)
        with memory.workers_explained(self.args), explained, fast_dropout():
            return super().train(resume_from_checkpoint, **kwargs)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        found = super()._init_training_state(*args, **kwargs)
        if self._resumed:
            recorded = read_json(self._resumed / TRAINER_STATE_NAME).get("best_model_checkpoint")
            # The run may have been moved since.
            best = Path(self.args.output_dir, Path(recorded).name) if recorded else None
            self.state.best_model_checkpoint = str(best) if best and best.is_dir() else None
        return found

    def _take_up(self) -> None:
        """Goes on from where the checkpoint stands, once the Trainer has set its sums to zero."""
        if self._resumed:
            window.take_up(self, self._resumed)
            self._resumed = None

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        self._take_up()
        if self._shared:
            # Accelerate does not find it behind the batches that a resumed run skips.
            self._shared.sampler.set_epoch(kwargs["epoch"])
        if self.owed:
            self._evaluate_late(kwargs)
        elif self.ended or self.state.global_step >= self.state.max_steps:
            # Resumed at the end; the Trainer looks at the number of steps only after one more.
            self.control.should_training_stop = True
        if not self.control.should_training_stop:
            super()._run_epoch(*args, **kwargs)

    def _evaluate_late(self, epoch: dict[str, Any]) -> None:
        """Does the evaluation that a signal left to the run that goes on."""
        self.owed, self.control.should_evaluate = False, True
        names = ("model", "trial", "epoch", "ignore_keys_for_eval", "start_time")
        rest = (self._tr_loss, None, *(epoch[name] for name in names))
        whole = float(self.state.epoch).is_integer()
        self._ended_step = self.state.global_step if whole else None
        self._maybe_log_save_evaluate(*rest)
        if self.control.should_training_stop and not whole:
            self.control = self.callback_handler.on_epoch_end(self.args, self.state, self.control)
            self._maybe_log_save_evaluate(*rest)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """Logs, evaluates, and saves a checkpoint when nothing else is left to do at its step.

        The Trainer asks at the end of each step, and again when it leaves an epoch; a checkpoint of
        before would lack the evaluation at the end of the epoch. What a signal leaves is a moment
        only, so the evaluation that is due then is done by the run that goes on.
        """
        step, control = self.state.global_step, self.control
        asked = control.should_log or control.should_evaluate or control.should_save
        if asked or self.is_cut:
            self.health.before_log_or_save()
        again, self._ended_step = step == self._ended_step, step
        whole = float(self.state.epoch).is_integer()
        if self.is_cut:
            if again and not whole:  # what looks like the end of an epoch is the end of the run
                control.should_log = control.should_evaluate = control.should_save = False
            self.owed = self.owed or control.should_evaluate
            control.should_evaluate = False
        super()._maybe_log_save_evaluate(*args, **kwargs)
        if again or not (whole or self.control.should_training_stop):
            if self.due or self.is_cut:
                with self.speed.aside():
                    checkpointing.write(self, due=self.due)
            self.due = False

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Notes that a checkpoint is due at this step."""
        self.due = True

    def _finalize_training(self, *args: Any, **kwargs: Any) -> Any:
        self._take_up()
        if self.is_cut:  # the sums and the best weights are those of the run that goes on
            self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)
            self.is_in_train = False
            return None
        return super()._finalize_training(*args, **kwargs)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        # A pickle of the arguments, which nothing here reads and loading which could run code.
        Path(output_dir or self.args.output_dir, TRAINING_ARGS_NAME).unlink(missing_ok=True)


def _ignore_signals(then: Callable[[int], None] | None, worker: int) -> None:
    """Prepares a loader's worker: it goes on until its process ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if then is not None:
        then(worker)
