"""`electralab rerun`: the same run again, and whether it gave the same numbers and weights."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab import processes
from electralab.checking.trainer_args import AUTO
from electralab.errors import UserError
from electralab.machine import cores
from electralab.verbs.common import find, locate, recorded_store, return_to, split_options

if TYPE_CHECKING:
    from electralab.config import Config
    from electralab.rerunning.recorded import Recorded

RERUN_TAG, RESULT_TAG = "rerun_of", "rerun_result"
_MOST_THREADS = 4096  # that a record is believed to have used


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status: 0 for an identical rerun, 1 for another one.

    Raises:
        UserError: The run cannot be run again, for its data is another one, say.
    """
    parser = argparse.ArgumentParser(
        prog="electralab rerun",
        description="Runs a run again as it is recorded, be its folder here or not: configuration, "
        "seed, data, threads, precision and kind of device. Ends with `identical`, or with the "
        "first step and metric that differ (exit status 1); clock readings do not count. With "
        "overrides it is a new run that names the old one.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as seed=7")
    arguments, settings = split_options(parser, argv)
    with tempfile.TemporaryDirectory(prefix="electralab-") as place:
        recorded = _find(arguments.run, settings, Path(place))
    config = _configured(recorded, arguments.overrides, settings)
    _compare_surroundings(recorded, config, anew=bool(arguments.overrides))

    from electralab.run import execute
    from electralab.running.part import Part
    from electralab.tracking.store import describe_uri

    if config.tracking.mode == "server" and not any(
        word.startswith("tracking") for word in settings
    ):
        where = describe_uri(config.tracking.uri or "")
        _say(f"recorded in {where}, as the run was; tracking=… records it elsewhere")
    _as_then(recorded, config)
    same = None if arguments.overrides else recorded.identity.get("data_fingerprint")
    part = Part(tags={RERUN_TAG: recorded.run_id}, data_fingerprint=same)
    words = [*recorded.overrides, *arguments.overrides]
    summary = execute(config, words, link=lambda: part)
    if arguments.overrides:
        _say(f"next: electralab compare {recorded.run_id} {summary['run_id']}")
        return 0
    return _judge(recorded, summary, config)


def _find(text: str, settings: list[str], place: Path) -> Recorded:
    """Reads the record in a run's folder, or else in the store."""
    from electralab.rerunning import recorded
    from electralab.tracking.records import stored_id

    try:
        found = find(text, settings)
        return recorded.read(found.folder.absolute(), run_id=found.run_id)
    except UserError:
        store, _ = locate(settings)
        run_id = stored_id(text, store)
        if run_id is None:
            raise
        return recorded.fetch(store, run_id, into=place)


def _configured(recorded: Recorded, overrides: list[str], settings: list[str]) -> Config:
    from electralab.checking import checks
    from electralab.config import is_chain, validate
    from electralab.rerunning.configuration import changed, pin

    if is_chain(recorded.config):
        raise UserError(
            f"RUN must be a single run, but {recorded.place} is a chain; run its runs again one by "
            "one, or type its command with another `name`."
        )
    began = recorded.identity.get("processes", 1)
    if began != processes.count():
        raise UserError(
            f"RUN must be run again by the {began} processes that it had, but there are "
            f"{processes.count()} instead; type {processes.command(began)} rerun {recorded.run_id}"
        )
    container = changed(recorded.config, overrides) | {"resume": None}
    container |= recorded_store(
        recorded.config, settings, again=f"rerun {recorded.run_id}", where=recorded.place
    )
    return_to(recorded.identity)
    pin(container, recorded)
    config = validate(container)
    if problems := checks.problems(config):
        raise UserError(problems)
    return config


def _compare_surroundings(recorded: Recorded, config: Config, *, anew: bool) -> None:
    """Says what is otherwise now, before anything starts.

    Raises:
        UserError: The data is another one, and no override asks for another run.
    """
    import torch  # noqa: F401  the provenance tells its threads and devices where it is loaded

    from electralab.rerunning import differences

    for line in differences.warnings(recorded.provenance, code=recorded.identity.get("code")):
        _say(f"differs: {line}")
    changes = {
        "data": differences.data_change(recorded, config.data),
        "model": differences.model_change(recorded, config),
    }
    for what, change in changes.items():
        if change and anew:
            _say(f"differs: {what}: {change}")
        elif change:
            raise UserError(
                f"RUN must be run again with the {what} that it had, but {change}; bring it back, "
                f"or start a new run on what is there with an override, such as "
                f"electralab rerun {recorded.run_id} name={config.name}-again"
            )


def _as_then(recorded: Recorded, config: Config) -> None:
    """Takes the run's threads, precision and kind of device, as far as they are here."""
    import torch

    if config.trainer.get("bf16") == AUTO:
        config.trainer["bf16"] = recorded.identity.get("precision") == "bf16"

    threads, device = (recorded.provenance.get(key) for key in ("threads", "device"))
    if isinstance(threads, int) and 0 < threads <= _MOST_THREADS:
        torch.set_num_threads(threads)
        if threads > cores():
            _say(f"slow: the run used {threads} threads, which share the {cores()} cores here")
    here = "cuda" if torch.cuda.is_available() else "cpu"
    if config.trainer.get("use_cpu") or (device == "cpu" and here != "cpu"):
        config.trainer["use_cpu"] = True
    elif device not in (None, here):
        _say(f"differs: hardware: the run used {device}, which is not here; this one uses {here}")


def _judge(before: Recorded, summary: dict[str, Any], config: Config) -> int:
    """Says whether the rerun gave the same; returns the exit status."""
    if not processes.is_main():
        return 0
    from electralab.rerunning.recorded import read
    from electralab.rerunning.verdict import first_difference
    from electralab.tracking.store import open_store

    after = read(Path(summary["folder"]), run_id=summary["run_id"])
    if not before.history and before.status != "FINISHED":
        _say(f"nothing to compare with: {before.place} has no results ({before.status.lower()})")
        return 0
    found = first_difference(before, after)
    result = f"differs first {found}" if found else "identical"
    store = open_store(config.tracking, output_dir=config.output_dir, create=False)
    if store.mode != "off":
        with suppress(Exception):  # the verdict stands on the terminal
            store.client().set_tag(after.run_id, RESULT_TAG, result)
    print(result, flush=True)
    return 1 if found else 0


def _say(line: str) -> None:
    if processes.is_main():
        print(line, file=sys.stderr, flush=True)
