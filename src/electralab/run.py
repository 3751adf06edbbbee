"""The main path: from a checked configuration to a tracked, evaluated, saved run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from electralab import folder as files
from electralab.config import Config


def execute(config: Config, overrides: list[str]) -> dict[str, Any]:
    """Runs one configuration: data, tokenizer, model, training, evaluation, summary.

    No folder and no tracked run exists before the data is prepared and the model is built.

    Args:
        config: A configuration that passed its checks.
        overrides: What was typed, for the record.

    Returns:
        The run's summary, as in its ``summary.json``.

    Raises:
        UserError: Something in the configuration or the data must be changed.
        RunFailure: The tracking server cannot be reached.
        Interrupted: Stopped by a signal, after a checkpoint.
    """
    from electralab import report
    from electralab.data.prepare import prepare
    from electralab.origins import find_origins
    from electralab.tasks import task_class
    from electralab.tracking.store import open_store
    from electralab.training.determinism import quiet_libraries, seed_everything
    from electralab.training.session import track, train_and_evaluate, training_arguments
    from electralab.training.signals import StopOnSignal

    started = time.time()
    quiet_libraries()
    output_dir = Path(config.output_dir).absolute()
    training_arguments(config, output_dir)  # what the Trainer refuses is refused here
    store = open_store(config.tracking, output_dir=output_dir)
    origins = find_origins(config, store=store, output_dir=output_dir)
    task = task_class(config.task.name)(config=config.task)
    tokenizer = origins.tokenizer(config.model)
    data = prepare(data=config.data, tokenizer=tokenizer, cache_dir=output_dir / files.CACHE)
    report.show_data(data)

    seed_everything(config.seed, deterministic=config.deterministic)
    model = task.build_model(
        model=config.model,
        tokenizer=data.tokenizer,
        name_or_path=origins.model,
        generator=origins.generator,
    )
    report.show_model(model)

    with (
        StopOnSignal() as signals,
        track(config, overrides, store=store, origins=origins, data=data) as (run, folder),
    ):
        metrics = train_and_evaluate(
            config, task=task, model=model, data=data, run=run, folder=folder, signals=signals
        )
        model.save_pretrained(folder / files.MODEL)
        data.tokenizer.save_pretrained(folder / files.MODEL)
        summary = report.summarise(
            config, run=run, folder=folder, data=data, metrics=metrics, started=started
        )
    report.show_summary(summary, task=task, config=config)
    return summary
