"""A chain's own folder and tracked run, of which its runs are the children."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.checking.signature import signature
from electralab.data.contents import contents
from electralab.errors import Interrupted, one_line
from electralab.running import alive, chain_report
from electralab.running import folder as files
from electralab.running.part import PARENT_TAG, Link, Part
from electralab.running.report import short
from electralab.tracking import provenance
from electralab.tracking.params import flatten
from electralab.tracking.redaction import mask_text, without_secrets
from electralab.tracking.run import TrackedRun, tracked_run
from electralab.tracking.store import Store, open_store

if TYPE_CHECKING:
    from electralab.config import Chain

TASK = "chain"  # in the place of a task, where a run says what it is


class ChainRecord:
    """Opens when the first run of the chain begins, or at its end; use as a context manager.

    A chain that is typed again goes on in the folder and the tracked run that it has.

    Args:
        chain: The configuration.
        overrides: What was typed.
        link: Says what the chain is part of; none: it stands alone.
    """

    def __init__(self, chain: Chain, overrides: list[str], *, link: Link | None = None) -> None:
        self.chain = chain
        self._link = link
        self.overrides = overrides
        self.signature = signature(chain)
        self._run: TrackedRun | None = None
        self._folder: Path | None = None
        self._stack = ExitStack()

    def __enter__(self) -> ChainRecord:
        self._stack.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is not None and self._folder is not None:
                stopped = isinstance(error, Interrupted | KeyboardInterrupt)
                status = "KILLED" if stopped else "FAILED"
                reason = {} if stopped else {"reason": mask_text(one_line(error))}
                self._end(self._summary(status) | reason, error)
                if stopped:
                    error.run_folder = self._folder  # the command line says what to do with it
        finally:
            self._stack.__exit__(kind, error, trace)

    def _end(self, summary: dict[str, Any], error: BaseException) -> None:
        """Leaves a summary where the chain ends badly, as far as the disk takes it."""
        with suppress(OSError):  # of a disk that is full or gone, which may be the reason itself
            files.write_json(self._folder / files.SUMMARY, summary)
        if undelivered := self._run.end(error):
            with suppress(OSError):
                lacking = summary | {files.UNDELIVERED: undelivered}
                files.write_json(self._folder / files.SUMMARY, lacking)
            self._run.warn()

    def part(self, stage: str) -> Part:
        """Returns what joins a run to the chain.

        Args:
            stage: ``adapt``, or the arm and the seed.
        """
        run, _ = self._open()
        return Part(tags={PARENT_TAG: run.run_id, "chain": self.signature, "stage": stage})

    def finish(
        self,
        runs: Mapping[str, list[dict[str, Any]]],
        *,
        adapted: dict[str, Any] | None,
        seconds: float,
    ) -> dict[str, Any]:
        """Writes the chain's summary, gives it to the store, and prints the comparison.

        Args:
            runs: Summaries of the fine-tuning runs of each arm, in the order of the seeds.
            adapted: Summary of the run that adapted; none: an earlier model took its place.
            seconds: What the chain took.
        """
        run, folder = self._open()
        named = self.chain.finetune.model.name_or_path
        ids = {arm: [summary["run_id"] for summary in found] for arm, found in runs.items()}
        summary = self._summary("FINISHED") | {
            "metrics": chain_report.compare(runs),
            "runs": {"adapt": adapted["run_id"] if adapted else named, **ids},
            "seeds": self.chain.finetune.seeds,
            "objective": self.chain.objective,
            "seconds": round(seconds, 3),
            "folder": str(folder),
        }
        run.set_tags({"runs": json.dumps(summary["runs"]), "seconds": summary["seconds"]})
        run.log_metrics(summary["metrics"], 0)
        files.write_json(folder / files.SUMMARY, summary)
        run.log_artifact(folder / files.SUMMARY)
        if undelivered := run.end():
            summary[files.UNDELIVERED] = undelivered
            files.write_json(folder / files.SUMMARY, summary)
            run.warn()
        place = short(Path(adapted["folder"])) if adapted else named
        typed = without_secrets(self.overrides)
        chain_report.show(self.chain, summary, adapted=place, runs=runs, typed=typed)
        return summary

    def _summary(self, status: str) -> dict[str, Any]:
        identity = {"task": TASK, "signature": self.signature}
        return {"run_id": self._run.run_id, "status": status, **identity}

    def _open(self) -> tuple[TrackedRun, Path]:
        if self._run is None:
            chain, sign = self.chain, self.signature
            output_dir = Path(chain.output_dir).absolute()
            store = open_store(chain.tracking, output_dir=output_dir)
            part = self._link() if self._link else Part(tags={})
            places = (
                [part.folder]
                if part.folder
                else sorted((output_dir / chain.name).glob(f"*-{sign}*"), reverse=True)
            )
            earlier = _earlier(places, store)
            self._run = self._stack.enter_context(
                tracked_run(
                    store,
                    experiment=chain.name,
                    run_name=part.title or f"{chain.name}-{sign}",
                    params=flatten(chain.model_dump(exclude={"sweep"})) | dict(part.params),
                    tags={"signature": sign, "task": TASK, "chain": sign, **part.tags},
                    run_id=earlier[0] if earlier else None,
                )
            )
            folder = earlier[1] if earlier else self._new_folder(output_dir, part.folder)
            self._stack.enter_context(alive.marked(folder))
            self._folder = folder
            self._run.keep_in(folder)  # before it can be gone on with, for its parameters' sake
            if not earlier:
                self._describe(folder)
                for name in (files.CONFIG, files.OVERRIDES):
                    self._run.log_artifact(self._folder / name)
            words = without_secrets(self.overrides)
            command = shlex.join(["electralab", *words])
            self._run.set_tags({"folder": str(self._folder), "command": command})
            provenance.record(self._run, provenance.provenance())
        return self._run, self._folder

    def _new_folder(self, output_dir: Path, place: Path | None) -> Path:
        return files.new_run_folder(
            output_dir, name=self.chain.name, signature=self.signature, folder=place
        )

    def _describe(self, folder: Path) -> None:
        identity = {"run_id": self._run.run_id, "signature": self.signature, "task": TASK}
        identity |= {"working_dir": os.getcwd(), "code": provenance.code()}
        parts = (contents(stage.data) for stage in (self.chain.adapt, self.chain.finetune))
        identity["contents"] = " ".join(parts)
        config = self.chain.model_dump()
        files.describe_run(folder, identity=identity, config=config, overrides=self.overrides)


def _earlier(places: list[Path], store: Store) -> tuple[str, Path] | None:
    """Returns the id and the folder of the first chain among places that the store knows.

    One that another process runs is passed over.
    """
    for folder in places:
        if alive.who_runs(folder):
            continue
        try:
            identity = json.loads((folder / files.IDENTITY).read_text(encoding="utf-8"))
            run_id = identity["run_id"] if identity["task"] == TASK else None
            if run_id and store.mode != "off":
                store.client().get_run(run_id)
        except Exception:  # damaged, or recorded elsewhere: the chain begins a record of its own
            continue
        if run_id:
            return run_id, folder
    return None
