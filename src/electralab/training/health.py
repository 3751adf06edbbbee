"""Steps that are not finite: no optimiser takes one, and the run stops or goes on without it."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from electralab import processes
from electralab.errors import RunFailure
from electralab.running import folder as files
from electralab.training import together

if TYPE_CHECKING:
    from electralab.training.trainer import ExperimentTrainer

log = logging.getLogger(__name__)

FILE = "bad_batch.json"  # of a run's folder
METRIC = "skipped_steps"
MOST_IN_A_ROW = 10  # steps that may be left out one after the other


class SkippedSteps(TrainerCallback, ExportableState):
    """Counts the steps that were left out; the Trainer keeps the counts in its checkpoints.

    Attributes:
        total: Of the whole training.
        in_a_row: Up to the last step.
        in_window: Since the last log.
    """

    def __init__(self) -> None:
        self.total = self.in_a_row = self.in_window = 0

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint holds."""
        return {"args": {}, "attributes": dict(vars(self))}


@dataclass
class _Step:
    """One optimiser step: its batches in this process, and what was counted before it."""

    number: int
    batches: list[Mapping[str, Any]]
    loss: Tensor
    window: Tensor | None
    losses: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # and sums, a batch each
    norm: Tensor | None = None  # of the gradients
    bad: Tensor | None = None  # a boolean of the CPU, once `copied` has happened
    copied: torch.cuda.Event | None = None


class Health:
    """Looks at the gradients of each step before the optimiser takes it.

    A loss that is not finite makes every gradient NaN, so that the norm of the gradients, which is
    the same in all processes, says of each step whether it can be taken. On a GPU a fused Adam is
    told so on the device, and what was found is read one step later, when it lies on the CPU
    already: a step waits for nothing. Other optimisers are told by a read-back a step.

    Args:
        trainer: Whose steps are looked at.
        skips: Go on without a step that is not finite; otherwise the run stops.
    """

    def __init__(self, trainer: ExperimentTrainer, *, skips: bool) -> None:
        self._trainer = trainer
        self._skips = skips
        self._step: _Step | None = None
        self._unread: _Step | None = None
        self._steps_in_window = 0
        self._on_device = trainer.args.device.type == "cuda"
        self._new = SkippedSteps()
        if skips:
            trainer.add_callback(self._new)

    @property
    def skipped(self) -> SkippedSteps:
        """The counts; a resumed Trainer puts those of its checkpoint in their place."""
        callbacks = self._trainer.callback_handler.callbacks
        return next((one for one in callbacks if isinstance(one, SkippedSteps)), self._new)

    def begin(self, batches: list[Mapping[str, Any]]) -> None:
        """Notes what a step is made of, and what was counted before it."""
        trainer = self._trainer
        before = trainer._tr_loss.clone(), trainer.window
        self._step = _Step(trainer.state.global_step + 1, batches, *before)

    def weigh(self, loss: Tensor, sums: Tensor) -> Tensor:
        """Returns the loss of a batch, of which all gradients are NaN if it is not finite.

        Args:
            loss: A scalar.
            sums: The batch's part of the metrics.
        """
        if self._step is not None:
            self._step.losses.append((loss.detach(), sums))
        return loss * (1 + 0 * loss.detach())  # by 1 or by NaN

    def judge(self, norm: Tensor | float | None) -> None:
        """Keeps the optimiser from a step that is not finite.

        Args:
            norm: Of the step's gradients, before they are clipped; none: DeepSpeed keeps it.

        Raises:
            RunFailure: The training is not to go on.
        """
        self.settle()
        step, self._step = self._step, None
        step.norm = torch.as_tensor(0.0 if norm is None else norm)
        bad = self._is_bad(step)
        if self._skips:
            self._take_back(step, bad)
        optimizer = self._trainer.optimizer.optimizer  # in accelerate's
        self._unread = step
        if self._on_device and _asks_the_device(optimizer):
            optimizer.found_inf = bad.float()
            step.bad = bad.to("cpu", non_blocking=True)
            if bad.is_cuda:
                step.copied = torch.cuda.Event()
                step.copied.record()
            return
        step.bad = bad.cpu()
        if step.bad:
            # What has no gradient is left as it is, by any optimiser.
            self._trainer.model.zero_grad(set_to_none=True)
        self.settle()

    def settle(self) -> None:
        """Counts the last step that was looked at.

        Raises:
            RunFailure: The training is not to go on.
        """
        step, self._unread = self._unread, None
        if step is None:
            return
        if step.copied is not None:
            step.copied.synchronize()
        counts = self.skipped
        if not step.bad:
            counts.in_a_row = 0
            return
        counts.total += 1
        counts.in_a_row += 1
        counts.in_window += 1
        if not self._skips or counts.in_a_row >= MOST_IN_A_ROW:
            raise RunFailure(self._reason(step))
        if counts.total == 1:
            log.warning(
                "Step %d was left out: %s; `%s` counts more of them.",
                step.number,
                self._kept(step),
                METRIC,
            )

    def before_log_or_save(self) -> None:
        """Counts the last step, and notes how many the window has that may be logged now.

        Raises:
            RunFailure: The training is not to go on.
        """
        self.settle()
        trainer = self._trainer
        self._steps_in_window = trainer.state.global_step - trainer._globalstep_last_logged

    def completed(self, logs: dict[str, float]) -> dict[str, float]:
        """Returns a log with the count, and with what was measured in the steps that were taken.

        Args:
            logs: Of a window, or of the end of the training.

        Raises:
            RunFailure: The training is not to go on.
        """
        self.settle()
        if not self._skips:
            return logs
        if "loss" in logs:
            left_out, self.skipped.in_window = self.skipped.in_window, 0
            taken = self._steps_in_window - left_out
            if not taken:
                logs = {"learning_rate": logs["learning_rate"]}
            elif left_out:
                logs = {**logs, "loss": logs["loss"] * self._steps_in_window / taken}
            if not math.isfinite(logs.get("grad_norm", 0.0)):  # of the last step
                logs.pop("grad_norm")
        return {**logs, METRIC: self.skipped.total}

    def _is_bad(self, step: _Step) -> Tensor:
        bad = ~torch.isfinite(step.norm)
        scaler = self._trainer.accelerator.scaler
        if scaler is None:
            return bad
        # Scaled gradients overflow now and then: the scaler leaves such a step out by itself and
        # lowers the scale, to which a loss owes nothing. Below 1 the scale is not the cause.
        lost = any(not torch.isfinite(loss) for loss, _ in step.losses)
        lost = bool(together.highest(int(lost)))
        return torch.tensor(lost or (bool(bad) and scaler.get_scale() < 1))

    def _take_back(self, step: _Step, bad: Tensor) -> None:
        """Takes a bad step out of what was counted since the last log."""
        trainer = self._trainer
        bad = bad.to(step.loss.device)
        trainer._tr_loss = torch.where(bad, step.loss, trainer._tr_loss)
        before = torch.zeros_like(trainer.window) if step.window is None else step.window
        trainer.window = torch.where(bad, before, trainer.window)

    def _reason(self, step: _Step) -> str:
        arguments = self._trainer.args
        many = f"{MOST_IN_A_ROW} steps in a row, the last of them "
        what = f"{many if self._skips else ''}step {step.number}"
        half = "Set `trainer.bf16` instead of `trainer.fp16`, lower" if arguments.fp16 else "Lower"
        other = "" if self._skips else ", or leave such steps out with trainer.on_nan=skip"
        return (
            f"The training diverged at {what}: {self._kept(step)}. {half} `trainer.learning_rate` "
            f"({arguments.learning_rate:g}) or raise `trainer.warmup_steps`{other}."
        )

    def _kept(self, step: _Step) -> str:
        """Writes the batches of a step beside the checkpoints, and says what was found in them."""
        batches = together.from_all([self._described(step, i) for i in range(len(step.losses))])
        found: dict[str, str] = {}
        for batch in batches:
            found |= {name: text for name, text in batch["losses"].items() if not _finite(text)}
        if len(found) > 1:
            found.pop("loss", None)  # its parts say more
        norm = float(step.norm)
        found = found or {"the norm of the gradients": str(norm)}
        path = Path(self._trainer.args.output_dir).with_name(FILE)
        if processes.is_main():
            head = json.dumps({"step": step.number, "gradient_norm": str(norm)})[1:-1]
            rows = ",\n ".join(json.dumps(batch, ensure_ascii=False) for batch in batches)
            files.write_whole(path, f'{{{head}, "batches": [\n {rows}\n]}}\n')
        said = " and ".join(f"{name} is {text}" for name, text in found.items())
        return f"{said} (its batch is kept in {path})"

    def _described(self, step: _Step, index: int) -> dict[str, Any]:
        batch, (loss, sums) = step.batches[index], step.losses[index]
        losses = {"loss": float(loss), **self._trainer._task.window_metrics(sums.tolist())}
        tensors = {name: one.tolist() for name, one in batch.items() if isinstance(one, Tensor)}
        tokenizer = self._trainer.processing_class
        texts = tokenizer.batch_decode(tensors["input_ids"]) if tokenizer else []
        losses = {name: str(value) for name, value in losses.items()}
        return {"process": processes.rank(), "losses": losses, "texts": texts, "tensors": tensors}


def _asks_the_device(optimizer: torch.optim.Optimizer) -> bool:
    """Says whether an optimiser itself leaves a step out of which it is told on the device."""
    return isinstance(optimizer, torch.optim.Adam) and bool(optimizer.defaults.get("fused"))


def _finite(text: str) -> bool:
    return math.isfinite(float(text))
