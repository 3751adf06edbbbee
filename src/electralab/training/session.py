"""One tracked training: its folder, its record and its order of events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, Seq2SeqTrainingArguments

from electralab import folder as files
from electralab import trainer_args
from electralab.config import Config
from electralab.errors import Interrupted
from electralab.origins import Origins
from electralab.signature import signature
from electralab.tracking import provenance
from electralab.tracking.callback import RunCallback
from electralab.tracking.run import TrackedRun, tracked_run
from electralab.training.build import build_trainer
from electralab.training.signals import StopOnSignal


@contextmanager
def track(
    config: Config, overrides: list[str], *, store: Any, origins: Origins, data: Any
) -> Iterator[tuple[TrackedRun, Path]]:
    """Opens the tracked run and its folder, and closes both with the right status.

    Args:
        config: The configuration.
        overrides: What was typed.
        store: The tracking store.
        origins: What the run starts from, or goes on with.
        data: The prepared data.

    Yields:
        The tracked run and its folder.
    """
    sign = signature(config)
    resumed = origins.resumed
    tags = {
        "signature": sign,
        "task": config.task.name,
        "data_fingerprint": data.fingerprint,
        "starts_from": ",".join(origins.parents),
    }
    with tracked_run(
        store,
        experiment=config.name,
        run_name=f"{config.name}-{sign}",
        params=config.model_dump(),
        tags={name: value for name, value in tags.items() if value not in (None, "")},
        run_id=resumed.run_id if resumed else None,
    ) as run:
        if resumed:
            folder = resumed.folder
        else:
            output_dir = Path(config.output_dir).absolute()
            folder = files.new_run_folder(output_dir, name=config.name, signature=sign)
        identity = {"run_id": run.run_id, "signature": sign, "task": config.task.name}
        files.write_json(folder / files.IDENTITY, identity)
        files.write_yaml(folder / files.CONFIG, config.model_dump())
        files.write_yaml(folder / files.OVERRIDES, overrides)
        for name in (files.CONFIG, files.OVERRIDES):
            run.log_artifact(folder / name)
        run.set_tags({"folder": str(folder)})
        provenance.record(run, provenance.provenance())
        handler = logging.FileHandler(folder / files.LOG, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger().addHandler(handler)
        try:
            yield run, folder
        except BaseException as error:
            stopped = isinstance(error, Interrupted | KeyboardInterrupt)
            status = "KILLED" if stopped else "FAILED"
            files.write_json(folder / files.SUMMARY, {**identity, "status": status})
            logging.getLogger().error("%s", error, exc_info=not stopped)
            error.run_folder = folder  # the command line says where the trace is
            raise
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()


def training_arguments(config: Config, output_dir: Path) -> Seq2SeqTrainingArguments:
    """Returns the Trainer's arguments for a configuration.

    Args:
        config: The configuration.
        output_dir: Where checkpoints go.

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


def train_and_evaluate(
    config: Config,
    *,
    task: Any,
    model: PreTrainedModel,
    data: Any,
    run: TrackedRun,
    folder: Path,
    signals: StopOnSignal,
) -> dict[str, float]:
    """Trains, then evaluates on the validation split, and on the test split if there is one.

    Returns:
        The last training window's metrics and those of the evaluations, by their names.

    Raises:
        Interrupted: A signal came; the checkpoint is saved.
    """
    patience = config.trainer.get("early_stopping_patience")
    arguments = training_arguments(config, folder / files.CHECKPOINTS)
    previews = task.previews(data=data, max_length=config.data.max_length)
    callbacks = [RunCallback(run), signals, *([previews] if previews else [])]
    trainer = build_trainer(
        task=task,
        model=model,
        arguments=arguments,
        data=data,
        max_length=config.data.max_length,
        seed=config.seed,
        early_stopping_patience=patience,
        callbacks=callbacks,
    )
    if previews:
        previews.skip_time = trainer.skip_time
    checkpoint = files.last_checkpoint(folder) if config.resume else None
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        if previews and previews.rows:
            run.log_table(previews.rows, "previews.json")
    signals.raise_if_received()
    metrics = dict(last_window(trainer.state.log_history))
    for prefix, dataset in (("eval", data.validation), ("test", data.test)):
        if dataset is not None:
            found = _just_evaluated(trainer, prefix) or trainer.evaluate(
                dataset, metric_key_prefix=prefix
            )
            metrics |= _without_position(found)
            signals.raise_if_received()
    return metrics


def last_window(history: list[dict[str, float]]) -> dict[str, float]:
    """Returns the metrics of the last training log."""
    window = next((logs for logs in reversed(history) if "loss" in logs), {})
    return _without_position(window)


def _without_position(logs: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in logs.items() if name not in ("epoch", "step")}


def _just_evaluated(trainer: Any, prefix: str) -> dict[str, float] | None:
    """Returns the evaluation of these very weights, if training ended with one."""
    if trainer.args.load_best_model_at_end:
        return None
    last = trainer.state.global_step
    found = (log for log in trainer.state.log_history if f"{prefix}_loss" in log)
    return next((log for log in found if log["step"] == last), None)
