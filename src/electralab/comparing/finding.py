"""What a person means by the words after `electralab compare`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.comparing import stored
from electralab.comparing.folders import read_run
from electralab.comparing.results import Comparison
from electralab.comparing.settings import flat
from electralab.comparing.sweeps import Found, from_runs, from_store, from_sweep
from electralab.errors import UserError, one_line
from electralab.running import folder as files
from electralab.running.part import ROLE_TAG, SWEEP_TAG
from electralab.running.report import short
from electralab.tracking.records import SHOWN, find_run, read_id
from electralab.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

_HEX = re.compile(r"[0-9a-f]{1,32}", re.IGNORECASE)


def find(words: Sequence[str], *, store: Store, output_dir: Path) -> Comparison:
    """Returns the comparison that words mean.

    Args:
        words: Sweeps (folder, id, parent run, or `name`) and runs (folder or id); none: the newest
            sweep, or where there is none all runs of the newest `name`.
        store: Asked for what no folder has.
        output_dir: Folder of all runs.

    Raises:
        UserError: There is no such thing, or several.
    """
    if not words:
        return _newest(store, output_dir)
    found = [_meant(word, store=store, output_dir=output_dir) for word in words]
    if len(found) == 1 and not isinstance(found[0], list):
        return found[0]
    runs: list[Found] = []
    for word, one in zip(words, found, strict=True):
        runs += one if isinstance(one, list) else _jobs(one, word, store, output_dir)
    runs = list({run.run_id or run.label: (run, settings) for run, settings in runs}.values())
    many = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return from_runs(runs, title=many if len(words) > 1 else f"{many} of {words[0]}")


def _newest(store: Store, output_dir: Path) -> Comparison:
    sweeps = _sweeps(output_dir)
    if sweeps:
        return from_sweep(sweeps[-1], store)
    names = {folder.parent for folder in _run_folders(output_dir)}
    runs = [run for name in names for run in _folders_of(name)]
    if not runs:
        raise UserError(
            f"There is nothing to compare under {output_dir}; give `output_dir=…` if the runs lie "
            "elsewhere."
        )
    return _named(max(runs, key=lambda folder: folder.name).parent)


def _named(name: Path) -> Comparison:
    """Compares the runs of a `name` that do what the newest of them does.

    A chain's runs have its `name` as well, but are no alternatives to it.
    """
    folders = _folders_of(name)
    tasks = [str(files.read_json(folder / files.IDENTITY).get("task") or "") for folder in folders]
    alike = [folder for folder, task in zip(folders, tasks, strict=True) if task == tasks[-1]]
    runs = [_of_folder(folder) for folder in alike]
    many = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return from_runs(runs, title=f"{name.name}, {many} of {tasks[-1]}".removesuffix(" of "))


def _meant(word: str, *, store: Store, output_dir: Path) -> Comparison | list[Found]:
    for folder in (Path(word), output_dir / word):
        if word and os.path.isfile(folder / files.SWEEP):
            return from_sweep(folder, store)
        if word and os.path.isdir(folder) and read_id(folder):
            return [_of_folder(folder)]
    if sweep := _one_sweep(word, output_dir):
        return from_sweep(sweep, store)
    if word and _folders_of(output_dir / word):
        return _named(output_dir / word)
    parents, singles = _in_store(word, store)
    if len(parents) > 1:
        raise _several(word, [run.info.run_id for run in parents])
    if parents:
        return from_store(parents[0], store)
    try:
        return [_of_folder(find_run(word, store=store, output_dir=output_dir).folder)]
    except UserError:
        if len(singles) != 1:
            raise
    [run] = singles  # its folder is gone
    return [(stored.as_result(run, store, settings={}), stored.configuration(run))]


def _sweeps(output_dir: Path, name: str = "*") -> list[Path]:
    """Returns the folders of the sweeps of a name, the newest last."""
    try:
        records = [
            (path.stat().st_mtime_ns, path) for path in output_dir.glob(f"{name}/*/{files.SWEEP}")
        ]
    except (NotImplementedError, ValueError):  # what was typed is no folder's name
        return []
    return [path.parent for _, path in sorted(records)]


def _one_sweep(word: str, output_dir: Path) -> Path | None:
    """Returns the folder of the sweep of an id, a beginning of one, or a `name`."""
    if re.fullmatch(r"[\w.-]+", word) and (named := _sweeps(output_dir, word)):
        return _single(word, named)
    if not _HEX.fullmatch(word):
        return None
    ids = {}
    for folder in _sweeps(output_dir):
        record = files.read_json(folder / files.SWEEP)
        ids[folder] = [str(record.get(key) or "") for key in ("sweep_id", "run_id")]
    exact = [folder for folder, known in ids.items() if word in known]
    begun = [
        folder
        for folder, known in ids.items()
        if any(one.startswith(word.lower()) for one in known)
    ]
    return _single(word, exact or begun) if begun else None


def _single(word: str, folders: list[Path]) -> Path:
    if len(folders) > 1:
        raise _several(word, [short(folder.absolute()) for folder in reversed(folders)])
    return folders[0]


def _several(word: str, which: Sequence[str]) -> UserError:
    more = ", …" if len(which) > SHOWN else ""
    return UserError(
        f"`{word}` could be {len(which)} sweeps; type one of them: "
        f"{', '.join(which[:SHOWN])}{more}."
    )


def _run_folders(output_dir: Path) -> Iterator[Path]:
    for path in sorted(output_dir.glob(f"*/*/{files.IDENTITY}")):
        yield path.parent


def _folders_of(name: Path) -> list[Path]:
    """Returns the run folders of a `name`, in order of their time."""
    found = name.glob(f"*/{files.IDENTITY}") if os.path.isdir(name) else ()
    return sorted(path.parent for path in found)


def _of_folder(folder: Path) -> Found:
    file = folder / files.CONFIG
    try:
        settings = flat(files.read_yaml(file))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"RUN must hold the configuration it ran with, but {file} cannot be read: "
            f"{one_line(error)}."
        ) from error
    label = f"{folder.parent.name}/{folder.name}"
    return read_run(folder, label=label, settings={}), settings


def _jobs(sweep: Comparison, word: str, store: Store, output_dir: Path) -> list[Found]:
    """Returns the jobs of a sweep with all their settings, to stand beside other runs."""
    runs = []
    for job in sweep.results:
        if not job.run_id:
            continue
        found = _meant(job.run_id, store=store, output_dir=output_dir)
        runs += found if isinstance(found, list) else []
    if not runs:
        raise UserError(f"SWEEP must have runs, but `{word}` has none yet.")
    return runs


def _in_store(word: str, store: Store) -> tuple[list[Run], list[Run]]:
    """Returns the sweeps and the other runs of a store that a word could mean."""
    if store.mode == "off" or not _HEX.fullmatch(word):
        return [], []
    begun = stored.search(store, f"attributes.run_id LIKE '{word.lower()}%'")
    if len(word) <= 8:
        begun += stored.search(store, f"tags.`{SWEEP_TAG}` LIKE '{word.lower()}%'")
    every = {run.info.run_id: run for run in begun}.values()
    parents = [run for run in every if run.data.tags.get(ROLE_TAG) == "parent"]
    singles = [run for run in every if run.info.run_id.startswith(word.lower())]
    return parents, [run for run in singles if run not in parents]
