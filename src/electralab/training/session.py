"""One training: what happens in it, and in which order."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, Seq2SeqTrainingArguments

from electralab import processes, untrusted
from electralab.checking import phase_checks, trainer_args
from electralab.config import Config
from electralab.data.streaming import StreamedBlocks
from electralab.errors import UserError
from electralab.running import checkpoints
from electralab.running import folder as files
from electralab.running.part import Link
from electralab.running.report import say
from electralab.running.resuming import Resumed
from electralab.timing import MATRIX_RATE, TIMING_METRICS, typical
from electralab.tracking.callback import RunCallback
from electralab.tracking.run import TrackedRun
from electralab.training import disk, together
from electralab.training.build import build_trainer
from electralab.training.fill import fill_line
from electralab.training.health import METRIC as SKIPPED
from electralab.training.progress import LogFile
from electralab.training.signals import StopOnSignal
from electralab.training.trainer import ExperimentTrainer

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.tasks.base import Built, Task
    from electralab.training.pruning import StopPoorRun

REASON = "reason"
log = logging.getLogger(__name__)


def training_arguments(config: Config, output_dir: Path) -> Seq2SeqTrainingArguments:
    """Returns the Trainer's arguments for a configuration.

    Args:
        config: The configuration.
        output_dir: Where checkpoints go, until the run has a folder.

    Raises:
        UserError: The Trainer refuses them on this machine.
    """
    arguments = trainer_args.build(
        config.trainer,
        output_dir=output_dir,
        seed=config.seed,
        deterministic=config.deterministic,
        has_validation=bool(config.data.split.validation),
    )
    if config.model.attention == "flex_attention" and arguments.device.type == "cpu":
        raise UserError(
            "`model.attention` must be sdpa, eager or null on a CPU, where flex_attention computes "
            "no gradients, but is flex_attention instead."
        )
    return arguments


def train(
    config: Config,
    *,
    task: Task,
    built: Built,
    arguments: Seq2SeqTrainingArguments,
    data: Prepared,
    run: TrackedRun,
    folder: Path,
    signals: StopOnSignal,
    resumed: Resumed | None = None,
    link: Link | None = None,
) -> ExperimentTrainer:
    """Trains, or goes on from a checkpoint, and saves the model.

    A model that can do the task already is measured before, for the gain.

    Returns:
        The Trainer, with the final weights.

    Raises:
        Interrupted: A signal came; the checkpoint is saved.
    """
    arguments.output_dir = str(folder / files.CHECKPOINTS)
    previews = task.previews(data)
    shown = [previews] if previews else []
    judges = _judges(link)
    recorder = RunCallback(run)
    trainer = build_trainer(
        task=task,
        model=built.model,
        arguments=arguments,
        data=data,
        seed=config.seed,
        early_stopping_patience=config.trainer.get(trainer_args.PATIENCE),
        on_nan=config.trainer.get(trainer_args.ON_NAN, trainer_args.STOP),
        phases=phase_checks.plan(config),
        callbacks=[
            recorder,
            signals,
            *shown,
            LogFile(previews.rows if previews else []),
            disk.StillThere(folder),
            *judges,
        ],
    )
    if hasattr(previews, "skip_time"):
        previews.skip_time = trainer.speed.skip
    trainer.signals = signals
    if line := fill_line(trainer):
        say(line)
    if processes.is_main():
        checkpoints.clear(folder / files.CHECKPOINTS)
    together.wait_for_all()
    if built.able and data.validation is not None:
        task.at_start = True
        if processes.is_main():
            task.before(trainer.model, data)  # after a resume too: these are still those weights
        if resumed is None or resumed.begins:
            _measure_before(trainer, data, run=run, folder=folder)
        else:
            _log_baseline(run, folder)
        task.at_start = False
    if resumed and resumed.trained:
        _load_trained(trainer, folder)
        recorder.replay(trainer.state.log_history)
        trainer.pruned = files.read_json(folder / files.PRUNED).get(REASON)
        return trainer
    checkpoint = resumed.checkpoint if resumed else None
    if checkpoint:
        # Counters such as that of early stopping go on where they stood.
        arguments.restore_callback_states_from_checkpoint = True
        arguments.eval_on_start = False
    try:
        if isinstance(data.train, StreamedBlocks):
            data.train.start()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except UserError as error:
        # What a loader's worker raises has its trace in it.
        raise getattr(data.train, "failure", None) or error from None
    except UnpicklingError as error:
        raise UserError(
            f"`resume` must go on from tensors and numbers, but {checkpoint} holds other objects, "
            "which could run code; remove it to go on from the one before."
        ) from error
    finally:
        if isinstance(data.train, StreamedBlocks):
            data.train.close()
        if previews and previews.rows:
            run.log_table(previews.rows, "previews.json")
    if signals.cut:
        signals.raise_if_received()
    if processes.is_main():
        files.write_json(folder / files.HISTORY, trainer.state.log_history)
        if reasons := [judge.reason for judge in judges if judge.reason]:
            [trainer.pruned] = reasons
            files.write_json(folder / files.PRUNED, {REASON: trainer.pruned})
        else:  # where it was stopped, and killed, and went on
            (folder / files.PRUNED).unlink(missing_ok=True)
        _save_model(trainer, folder)
    return trainer


def _judges(link: Link | None) -> list[StopPoorRun]:
    """Returns what stops a run early, if it is part of a search that may."""
    pruning = link().pruning if link else None
    if pruning is None:
        return []
    from electralab.training.pruning import StopPoorRun

    return [StopPoorRun(pruning)]


def _measure_before(
    trainer: ExperimentTrainer, data: Prepared, *, run: TrackedRun, folder: Path
) -> None:
    found = trainer.evaluate(data.validation)
    if not processes.is_main():
        return
    baseline = {
        name: value
        for name, value in _without_position(found).items()
        if name not in TIMING_METRICS
    }
    files.write_json(folder / files.BASELINE, baseline)
    _log_baseline(run, folder)


def _log_baseline(run: TrackedRun, folder: Path) -> None:
    """Records the measurement before the training; after a resume again, for it may be missing."""
    baseline = files.read_json(folder / files.BASELINE)
    run.log_metrics({f"baseline_{name}": value for name, value in baseline.items()}, 0)
    run.log_metrics(baseline, 0, replayed=True)


def keep_artifacts(
    task: Task, model: PreTrainedModel, data: Prepared, *, run: TrackedRun, folder: Path
) -> None:
    """Writes the task's tables and pictures into the run's folder and gives them to the store.

    Of several processes, the main one does.
    """
    if not processes.is_main():
        return
    for path in task.artifacts(model, data, folder):
        run.log_artifact(path)


def _save_model(trainer: ExperimentTrainer, folder: Path) -> None:
    """Writes ``model/``, whole or not at all: that it is there means that training is done."""
    unfinished = folder / f".{files.MODEL}"
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        trainer.model.save_pretrained(unfinished)
        trainer.processing_class.save_pretrained(unfinished)
        files.sync_tree(unfinished)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(folder / files.MODEL, ignore_errors=True)  # of which something is gone
    os.replace(unfinished, folder / files.MODEL)
    files.sync_folder(folder)


def _load_trained(trainer: ExperimentTrainer, folder: Path) -> None:
    """Takes the final weights of a run that was stopped after its training."""
    log.info("the training is done; what is left is its evaluation")
    trainer._load_from_checkpoint(str(folder / files.MODEL))
    # The folder can come from anywhere: what is no history of ours is none.
    with suppress(OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
        history = [_numbers(logs) for logs in untrusted.read_json(folder / files.HISTORY)]
        step, epoch = int(history[-1]["step"]), float(history[-1]["epoch"])
        trainer.state.log_history = history
        trainer.state.global_step = trainer.state.max_steps = step
        trainer.state.epoch = epoch


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in logs.items() if isinstance(value, int | float)}


def evaluate(
    trainer: ExperimentTrainer, data: Prepared, *, signals: StopOnSignal
) -> dict[str, float]:
    """Evaluates on the validation split, and on the test split if there is one.

    Returns:
        The last training window's metrics, how fast the training was, and the metrics of the
        evaluations, by their names; of a run that was pruned, the test split is left alone.

    Raises:
        Interrupted: A signal came; the model is saved.
    """
    signals.release()
    history = trainer.state.log_history
    metrics = {**last_window(history), **typical(history), MATRIX_RATE: trainer.speed.rate}
    test = None if trainer.pruned else data.test
    for prefix, dataset in (("eval", data.validation), ("test", test)):
        if dataset is not None:
            found = _just_evaluated(trainer, prefix) or trainer.evaluate(
                dataset, metric_key_prefix=prefix
            )
            metrics |= _without_position(found)
    signals.raise_if_received()
    signals.hold()  # what is left takes a moment and is better whole
    return metrics


def last_window(history: list[dict[str, float]]) -> dict[str, float]:
    """Returns the metrics of the last training log, and how many steps were left out in all."""
    window = next((logs for logs in reversed(history) if "loss" in logs), {})
    skipped = [{SKIPPED: logs[SKIPPED]} for logs in history if SKIPPED in logs]
    return _without_position(window) | (skipped[-1] if skipped else {})


def _without_position(logs: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in logs.items() if name not in ("epoch", "step")}


def _just_evaluated(trainer: ExperimentTrainer, prefix: str) -> dict[str, float] | None:
    """Returns the evaluation of these very weights, if training ended with one.

    That of a run before it was resumed is done again, for the pictures and tables that go with it.
    """
    step, found = trainer.evaluated.get(prefix, (None, None))
    same = step == trainer.state.global_step and not trainer.args.load_best_model_at_end
    return found if same else None
