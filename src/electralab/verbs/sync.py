"""`electralab sync`: gives the store what it did not take while a run was going."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.errors import RunFailure, UserError
from electralab.running import folder as files
from electralab.tracking.journal import NAME
from electralab.verbs.common import compose_settings, split_options

if TYPE_CHECKING:
    from electralab.tracking.store import Store


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status: 1 if the store refuses something.

    Raises:
        UserError: There is no such run, or the store does not have it.
        RunFailure: The store does not answer.
    """
    parser = argparse.ArgumentParser(
        prog="electralab sync",
        description="Gives the tracking store what it did not take while a run was going: points, "
        "parameters, tags, artifacts, the status. Of a sweep's folder, all its jobs'; of a "
        "chain's, its runs'. What the store has stays as it is.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    arguments, settings = split_options(parser, argv)

    status = 0
    answered: set[Store] = set()
    problems: list[str] = []
    for folder in _folders(arguments.run, settings):
        try:
            status |= _sync(folder, settings, answered=answered)
        except RunFailure as error:  # of the store, which the others need too
            raise RunFailure([*problems, *error.problems]) from error
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return status


def _sync(folder: Path, settings: list[str], *, answered: set[Store]) -> int:
    """Completes the record of one run; returns 1 if the store refuses something."""
    from electralab.tracking import delivery, syncing

    said = syncing.read(folder)
    store = _store(said.store, settings, folder=folder)
    if store not in answered:
        _require_answer(store)
    answered.add(store)
    with _complete(folder) as refused:
        counts = syncing.deliver(said, store, folder=folder, refused=refused)
    what = delivery.in_words(counts)
    print(f"{folder}: {f'gave {what} to {store}' if what else f'{store} has everything'}")
    for name, why in refused.items():
        print(f"{folder}: {store} refused {name}: {why}")
    return 1 if refused else 0


def _folders(text: str, settings: list[str]) -> list[Path]:
    """Returns the folders of the run that is meant and of what it consists of."""
    found: dict[Path, Path] = {}  # by what they are: the chains of a sweep share runs
    for folder in _meant(text, settings):
        for one in (folder, *_runs_of(folder)):
            found.setdefault(one.resolve(), one)
    return list(found.values())


def _runs_of(folder: Path) -> list[Path]:
    """Returns the folders of a chain's runs, as far as they are here and were tracked."""
    from electralab.tracking.records import local_runs

    runs = files.read_json(folder / files.SUMMARY).get("runs")
    if not isinstance(runs, dict):
        return []
    # <output_dir>/<name>/<time>-<signature>, and one level more for the jobs of a sweep
    is_job = (folder.parent / files.SWEEP).is_file()
    name = (folder.parent if is_job else folder).resolve().parent
    listed = [ids if isinstance(ids, list) else [ids] for ids in runs.values()]
    return [
        place
        for run_id, place in local_runs(name.parent)
        if any(run_id in ids for ids in listed) and (place / NAME).is_file()
    ]


def _meant(text: str, settings: list[str]) -> list[Path]:
    """Returns the folder of the run that is meant, or those of a sweep and its jobs."""
    from electralab.tracking.records import find_run

    output_dir = Path(compose_settings(settings).output_dir)
    for folder in (Path(text), output_dir / text):
        if text and (folder / files.SWEEP).is_file():
            found = sorted(file.parent for file in folder.glob(f"*/{NAME}"))
            return [folder, *found] if (folder / NAME).is_file() else found
    return [find_run(text, store=None, output_dir=output_dir).folder]


def _store(recorded: dict[str, Any], settings: list[str], *, folder: Path) -> Store:
    """Returns the store that is asked for, or else the one that the record names."""
    from electralab.tracking.store import Store, open_store

    if any(word.startswith("tracking") for word in settings):
        asked = compose_settings(settings)
        tracking, output_dir = asked.tracking, Path(asked.output_dir)
    else:
        from electralab.config import TrackingConfig

        uri = recorded.get("uri")
        if "***" in str(uri):
            raise UserError(
                f"`tracking.uri` must be given again, for the record of {folder} does not hold its "
                f"password: electralab sync {folder} tracking=server tracking.uri=…"
            )
        mode = "server" if uri else "local"
        tracking = TrackingConfig(mode=mode, uri=uri)
        output_dir = folder / str(recorded.get("output_dir", ""))
    store = open_store(tracking, output_dir=output_dir.resolve(), create=False)
    if store == Store("off"):
        raise UserError(
            f"RUN must have its store, but there is none under {output_dir.resolve()}; give "
            "`tracking.…=…` of the one it was recorded in."
        )
    return store


def _require_answer(store: Store) -> None:
    from electralab.tracking.store import why_silent

    if why := why_silent(store):
        raise RunFailure(f"The store {store} cannot be used: {why}; try again when it is back.")


@contextmanager
def _complete(folder: Path) -> Iterator[dict[str, str]]:
    """Takes back from the summary that the store lacks something, unless it goes on to.

    Yields:
        What the store refuses, and why; to be filled.
    """
    refused: dict[str, str] = {}
    before = files.read_json(folder / files.SUMMARY)
    complete = {key: value for key, value in before.items() if key != files.UNDELIVERED}
    if complete == before:
        yield refused
        return
    files.write_json(folder / files.SUMMARY, complete)  # which is one of the artifacts
    is_done = False
    try:
        yield refused
        is_done = not refused
    finally:
        if not is_done:
            files.write_json(folder / files.SUMMARY, before)
