"""What a person sees while a model trains."""

from __future__ import annotations

import logging
import sys
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback

log = logging.getLogger(__name__)

_SHOWN = {
    "loss": "loss {:.3f}",
    "mlm_loss": "mlm {:.3f}",
    "disc_loss": "disc {:.4f}",
    "gen_accuracy": "gen acc {:.3f}",
    "disc_balanced_accuracy": "disc bal.acc {:.3f}",
    "learning_rate": "lr {:.2e}",
    "tokens_per_second": "{:,.0f} tokens/s",
    "mfu": "MFU {:.0%}",
    "eval_loss": "loss {:.3f}",
    "eval_mlm_loss": "mlm {:.3f}",
    "eval_disc_auc": "disc AUC {:.3f}",
    "eval_probe_auc": "probe AUC {:.3f}",
    "eval_perplexity": "perplexity {:.2f}",
    "accuracy": "acc {:.3f}",
    "eval_accuracy": "acc {:.3f}",
    "eval_f1": "F1 {:.3f}",
    "eval_matthews": "Matthews {:.3f}",
    "eval_pearson": "Pearson {:.3f}",
    "eval_spearman": "Spearman {:.3f}",
    "eval_bleu": "BLEU {:.2f}",
    "eval_chrf": "chrF {:.2f}",
}


def log_line(logs: dict[str, Any], step: int, total: int) -> str | None:
    """Returns one line for a log of the Trainer, or nothing for its closing one."""
    if "train_runtime" in logs:
        return None
    parts = [form.format(logs[name]) for name, form in _SHOWN.items() if name in logs]
    kind = "eval" if any(name.startswith("eval_") for name in logs) else "train"
    place = f"step {step}/{total}" if total else "before training"
    return f"{place} · {kind} · " + " · ".join(parts) if parts else None


class ProgressBar(ProgressCallback):
    """A bar for training and for evaluation, with one line a log above it."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Writes the log's line above the bar."""
        line = log_line(logs or {}, state.global_step, state.max_steps)
        if line and state.is_world_process_zero:
            if self.training_bar is not None:
                self.training_bar.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr)


class LinePrinter(PrinterCallback):
    """A line a log and a line an epoch, where there is no terminal to draw a bar on."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Prints the log's line."""
        line = log_line(logs or {}, state.global_step, state.max_steps)
        if line and state.is_world_process_zero:
            print(line, file=sys.stderr, flush=True)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Prints the epoch that begins."""
        if state.is_world_process_zero:
            epoch = int(state.epoch or 0) + 1
            print(f"epoch {epoch}/{state.num_train_epochs}", file=sys.stderr, flush=True)


class LogFile(TrainerCallback):
    """Writes to the log of the run what a person sees while it trains.

    Args:
        previews: The rows of the previews, as they grow.
    """

    def __init__(self, previews: list[dict[str, Any]]) -> None:
        self._previews = previews
        self._written = 0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Writes the log's line."""
        if line := log_line(logs or {}, state.global_step, state.max_steps):
            log.info("%s", line)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes the previews that are new."""
        for row in self._previews[self._written :]:
            log.info("preview %s", "\n  ".join(f"{name}: {text}" for name, text in row.items()))
        self._written = len(self._previews)
