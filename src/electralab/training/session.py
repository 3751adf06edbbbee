"""One tracked training: its folder, its record and its order of events."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, Seq2SeqTrainingArguments

from electralab import processes, untrusted
from electralab.checking import trainer_args
from electralab.checking.signature import signature
from electralab.config import Config
from electralab.data.contents import contents, source_files
from electralab.errors import Interrupted, UserError, one_line
from electralab.rerunning import differences
from electralab.running import alive, checkpoints, data_report
from electralab.running import folder as files
from electralab.running.origins import Origins
from electralab.running.part import Link, Part
from electralab.running.report import TIMING_METRICS
from electralab.running.resuming import Resumed
from electralab.running.run_log import RunLog
from electralab.running.starts import check_fingerprint, starting_points
from electralab.tracking import provenance
from electralab.tracking.callback import RunCallback
from electralab.tracking.params import flatten
from electralab.tracking.redaction import mask_text
from electralab.tracking.run import TrackedRun, tracked_run
from electralab.training import disk, together
from electralab.training.build import build_trainer
from electralab.training.health import METRIC as SKIPPED
from electralab.training.progress import LogFile
from electralab.training.signals import StopOnSignal
from electralab.training.trainer import ExperimentTrainer

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.tasks.base import Built, Task
    from electralab.tracking.store import Store
    from electralab.training.pruning import StopPoorRun

REASON = "reason"
log = logging.getLogger(__name__)


@contextmanager
def track(
    config: Config,
    overrides: list[str],
    *,
    store: Store,
    origins: Origins,
    data: Prepared,
    arguments: Seq2SeqTrainingArguments,
    run_log: RunLog,
    link: Link | None = None,
) -> Iterator[tuple[TrackedRun, Path]]:
    """Opens the tracked run and its folder, and closes both with the right status.

    Args:
        config: The configuration.
        overrides: What was typed.
        store: The tracking store.
        origins: What the run starts from, or goes on with.
        data: The prepared data.
        arguments: The Trainer's.
        run_log: Finds its file in the folder.
        link: Says what the run is part of; none: it stands alone.

    Yields:
        The tracked run and its folder.
    """
    sign = signature(config)
    resumed = origins.resumed
    part = link() if link else Part(tags={})
    check_fingerprint(part, data.fingerprint)
    tags = {
        "signature": sign,
        "task": config.task.name,
        "precision": trainer_args.precision(arguments),
        "data_fingerprint": data.fingerprint,
        "starts_from": ",".join(origins.parents),
        **part.tags,
    }
    # What another process goes on with is refused before its record is opened.
    mark = alive.marked(resumed.folder) if resumed else nullcontext()
    with (
        mark,
        tracked_run(
            store,
            experiment=config.name,
            run_name=part.title or f"{config.name}-{sign}",
            params=flatten(config.model_dump(exclude={"sweep"})) | dict(part.params),
            tags={name: value for name, value in tags.items() if value not in (None, "")},
            run_id=resumed.run_id if resumed else None,
        ) as run,
    ):
        if resumed:
            folder = resumed.folder
            run.keep_in(folder)
        else:
            output_dir = Path(config.output_dir).absolute()
            folder = files.new_run_folder(
                output_dir, name=config.name, signature=sign, folder=part.folder
            )
            # Before the folder says whose it is, and can be gone on with: the parameters are in it.
            run.keep_in(folder)
            identity = {"run_id": run.run_id, "signature": sign, "task": config.task.name}
            identity |= {"data_fingerprint": data.fingerprint, "working_dir": os.getcwd()}
            identity |= {"processes": processes.count(), "precision": tags["precision"]}
            identity |= {"contents": contents(config.data), "code": provenance.code()}
            identity |= {"sources": source_files(config.data)}
            identity |= {"starts": starting_points(config, origins)}
            files.describe_run(
                folder, identity=identity, config=config.model_dump(), overrides=overrides
            )
        written, told = run_log.written_to(folder / files.LOG), _summarised(folder, config, run)
        mark = nullcontext() if resumed else alive.marked(folder)
        with mark, written, told, disk.explained(folder):
            run.set_tags({"folder": str(folder)})
            _record_provenance(run, folder)
            if not resumed or resumed.begins:
                for name in (files.CONFIG, files.OVERRIDES, files.IDENTITY):
                    run.log_artifact(folder / name)
                data_report.keep(data, run=run, folder=folder)
            yield run, folder


def _record_provenance(run: TrackedRun, folder: Path) -> None:
    """Records what a run is made with; of one that goes on, what has become another since."""
    first = files.read_json(folder / files.PROVENANCE)
    if first:
        code = files.read_json(folder / files.IDENTITY).get("code")
        lines = [*differences.warnings(first, code=code)]
        for line in lines:
            log.warning("differs: %s", line)
        if lines:
            run.set_tags({"resumed.differs": "; ".join(lines)})
        return
    made_with = provenance.provenance()
    provenance.record(run, made_with)
    files.write_json(folder / files.PROVENANCE, provenance.plain(made_with))


@contextmanager
def _summarised(folder: Path, config: Config, run: TrackedRun) -> Iterator[None]:
    """Leaves a summary and the reason where a run ends badly."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        summary = {"run_id": run.run_id, "status": "KILLED" if stopped else "FAILED"}
        summary |= {"task": config.task.name, "signature": signature(config)}
        if not stopped:
            summary["reason"] = mask_text(one_line(error))
        with suppress(OSError):  # of a disk that is full or gone, which is the reason itself
            files.write_json(folder / files.SUMMARY, summary)
        if undelivered := run.end(error):
            with suppress(OSError):
                files.write_json(folder / files.SUMMARY, summary | {files.UNDELIVERED: undelivered})
            run.warn()
        # Into the log alone: the command line says the same in its own words.
        logging.getLogger().error("%s", error, exc_info=not stopped)
        error.run_folder = folder  # the command line says what to do with it
        raise


def training_arguments(config: Config, output_dir: Path) -> Seq2SeqTrainingArguments:
    """Returns the Trainer's arguments for a configuration.

    Args:
        config: The configuration.
        output_dir: Where checkpoints go, until the run has a folder.

    Raises:
        UserError: The Trainer refuses them on this machine.
    """
    return trainer_args.build(
        config.trainer,
        output_dir=output_dir,
        seed=config.seed,
        deterministic=config.deterministic,
        has_validation=bool(config.data.split.validation),
    )


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
        previews.skip_time = trainer.skip_time
    trainer.signals = signals
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
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except UnpicklingError as error:
        raise UserError(
            f"`resume` must go on from tensors and numbers, but {checkpoint} holds other objects, "
            "which could run code; remove it to go on from the one before."
        ) from error
    finally:
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
        The last training window's metrics and those of the evaluations, by their names; of a run
        that was pruned, the test split is left alone.

    Raises:
        Interrupted: A signal came; the model is saved.
    """
    signals.release()
    metrics = dict(last_window(trainer.state.log_history))
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
