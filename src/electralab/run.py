"""The main path: from a checked configuration to a tracked, evaluated, saved run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electralab.config import Config
from electralab.running.part import Link


def execute(
    config: Config,
    overrides: list[str],
    *,
    link: Link | None = None,
    stages: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Runs one configuration: data, tokenizer, model, training, evaluation, summary.

    No store, folder or tracked run is made before the data is prepared and the model is built.

    Args:
        config: A configuration that passed its checks.
        overrides: What was typed, for the record.
        link: Says what the run is part of, when it begins; none: it stands alone.
        stages: In a chain, the stage of each group, for the keys that are named to a person.

    Returns:
        The run's summary, as in its ``summary.json``; nothing where another process writes it.

    Raises:
        UserError: Something in the configuration or the data must be changed.
        RunFailure: The tracking server cannot be reached.
        Interrupted: Stopped by a signal.
    """
    from electralab.running import report
    from electralab.running.origins import find_origins
    from electralab.running.run_log import RunLog
    from electralab.tasks import task_class
    from electralab.tracking.store import open_store
    from electralab.training import disk, preparing, record, session, together
    from electralab.training.determinism import quiet_libraries
    from electralab.training.signals import StopOnSignal

    started = time.time()
    quiet_libraries()
    output_dir = Path(config.output_dir).absolute()
    disk_explained = disk.explained(output_dir)
    with together.one_reason(), StopOnSignal() as signals, RunLog() as log, disk_explained:
        arguments = session.training_arguments(config, output_dir)
        asked = config.tracking.mode == "server"  # a dead one is noticed before any work
        store = open_store(config.tracking, output_dir=output_dir, create=asked)
        origins = find_origins(config, store=store, output_dir=output_dir)
        task = task_class(config.task.name)(config=config.task, data=config.data)
        begun: dict[str, Any] = {"task": task, "origins": origins}
        data = preparing.prepare(config, **begun, output_dir=output_dir, stages=stages)
        built = preparing.build(config, **begun, data=data, arguments=arguments)

        store = open_store(config.tracking, output_dir=output_dir)
        here: dict[str, Any] = {"data": data, "arguments": arguments, "link": link}
        tracked = record.track(config, overrides, store=store, origins=origins, run_log=log, **here)
        with together.one_record(tracked) as (run, folder):
            here |= {"run": run, "folder": folder, "signals": signals}
            trainer = session.train(config, task=task, built=built, resumed=origins.resumed, **here)
            metrics = session.evaluate(trainer, data, signals=signals)
            session.keep_artifacts(task, trainer.model, data, run=run, folder=folder)
            results = {"metrics": metrics, "started": started, "alone": link is None}
            summary = report.conclude(config, task, data, run=run, folder=folder, **results)
        signals.raise_if_received()  # one that came at the very end still ends a sweep
    return summary
