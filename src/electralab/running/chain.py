"""The path of a chain: adapt, fine-tune what came of it and what it was before, compare."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from electralab import processes
from electralab.chain_config import (
    ARMS,
    GROUPS,
    adaptation,
    adapted_model,
    fine_tuning,
    in_stages,
    unadapted_model,
)
from electralab.config import Chain, Config
from electralab.errors import Interrupted, UserError
from electralab.running import folder as files
from electralab.running.part import Link
from electralab.running.reuse import find_finished, run_once

Summary = dict[str, Any]


def execute(chain: Chain, overrides: list[str], *, link: Link | None = None) -> Summary:
    """Runs a chain; what an earlier command has finished of it is taken over.

    No folder or tracked run is made before the data of both stages is prepared.

    Args:
        chain: A configuration that passed its checks.
        overrides: What was typed, for the record.
        link: Says what the chain is part of, when it begins; none: it stands alone.

    Returns:
        The chain's summary, as in its ``summary.json``.

    Raises:
        UserError: Something in the configuration or the data must be changed.
        RunFailure: A run failed for another reason.
        Interrupted: Stopped by a signal.
    """
    from electralab.running.chain_record import ChainRecord
    from electralab.running.chain_start import unadapted_start
    from electralab.training.determinism import quiet_libraries
    from electralab.training.signals import StopOnSignal

    processes.refuse_several("a chain", "start each stage by itself, or the chain without torchrun")
    started = time.time()
    quiet_libraries()
    seeds, named = chain.finetune.seeds, chain.finetune.model.name_or_path
    steps = iter(range(1, 99_999))
    total = len(ARMS) * len(seeds) + (named is None)

    def run(config: Config, stage: str, origin: dict[str, str]) -> Summary:
        """One run of the chain, or the finished one that it would repeat."""
        title = f"[{next(steps)}/{total}] {stage}"
        stages = dict.fromkeys(GROUPS, "finetune") | origin
        with _naming(stages):
            link = partial(record.part, stage)
            return run_once(config, overrides, title=title, link=link, stages=stages)

    with StopOnSignal(), ChainRecord(chain, overrides, link=link) as record:
        adapted: Summary | None = None
        if named is None:
            if find_finished(adaptation(chain)) is None:
                _prepare_all(chain)
            adapted = run(adaptation(chain), "adapt", dict.fromkeys(GROUPS, "adapt"))
        start = adapted["run_id"] if adapted else named
        origin = {"model": "finetune" if named else "adapt"}
        models = {"adapted": adapted_model(chain, start)}
        with _naming(dict.fromkeys(GROUPS, "adapt")):
            models["unadapted"] = unadapted_model(chain, unadapted_start(chain, adapted=start))
        # Seed by seed, so that a chain that is stopped has whole pairs.
        runs: dict[str, list[Summary]] = {arm: [] for arm in ARMS}
        for seed in seeds:
            for arm in ARMS:
                config = fine_tuning(chain, model=models[arm], seed=seed)
                where = origin if arm == "adapted" else {"model": "adapt"}
                runs[arm].append(run(config, f"{arm}, seed {seed}", where))
        return record.finish(runs, adapted=adapted, seconds=time.time() - started)


def _prepare_all(chain: Chain) -> None:
    """Prepares the data of both stages, so that what is wrong with it is said before anything runs.

    The runs find it in the cache.
    """
    from electralab.running.origins import find_origins
    from electralab.tasks import task_class
    from electralab.tracking.store import open_store

    output_dir = Path(chain.output_dir).absolute()
    store = open_store(
        chain.tracking, output_dir=output_dir, create=chain.tracking.mode == "server"
    )
    config = adaptation(chain)
    with _naming(dict.fromkeys(GROUPS, "adapt")):
        origins = find_origins(config, store=store, output_dir=output_dir)
        tokenizer = origins.tokenizer(config.model, task=config.task.name)
    for stage, part in (("adapt", chain.adapt), ("finetune", chain.finetune)):
        with _naming(dict.fromkeys(GROUPS, stage)):
            task = task_class(part.task.name)(config=part.task, data=part.data)
            cache = output_dir / files.CACHE
            tokenizer = task.prepare(tokenizer=tokenizer, cache_dir=cache).tokenizer


@contextmanager
def _naming(stages: dict[str, str]) -> Iterator[None]:
    """Names the stage's keys, and the folder of a run that failed, in what a run raises."""
    try:
        yield
    except UserError as error:
        lines = [in_stages(line, stages) for line in error.problems]
        if folder := getattr(error, "run_folder", None):
            lines[-1] = f"{lines[-1]} (run {folder})"
        raise type(error)(lines) from error
    except (Interrupted, KeyboardInterrupt) as error:
        error.run_folder = None  # the chain says what to go on with
        raise
