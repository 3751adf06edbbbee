"""The record of one training: its tracked run, its folder, and how both end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import Seq2SeqTrainingArguments

from electralab import processes
from electralab.checking import trainer_args
from electralab.checking.signature import signature
from electralab.config import Config
from electralab.data.contents import contents, source_files
from electralab.errors import Interrupted, one_line
from electralab.rerunning import differences
from electralab.running import alive, data_report
from electralab.running import folder as files
from electralab.running.origins import Origins
from electralab.running.part import Link, Part
from electralab.running.run_log import RunLog
from electralab.running.starts import check_fingerprint, starting_points
from electralab.timing import MATRIX_RATE
from electralab.tracking import provenance
from electralab.tracking.params import flatten
from electralab.tracking.redaction import mask_text
from electralab.tracking.run import TrackedRun, tracked_run
from electralab.training import disk, rate

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.tracking.store import Store

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
        MATRIX_RATE: round(rate.of_training(arguments)),
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
            identity |= {MATRIX_RATE: tags[MATRIX_RATE]}
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
