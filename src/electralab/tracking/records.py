"""Finding the run that a person means."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from electralab import untrusted
from electralab.errors import UserError
from electralab.running import folder as files
from electralab.tracking.store import Store, asked

SHOWN = 5  # candidates that a message lists
FOLDER_TAG = "folder"  # tag of a run that says where its folder is
_FILES = (files.IDENTITY, files.SUMMARY)  # a run writes the first when it starts, both if it ends
_ID = re.compile(r"[0-9a-f]{1,32}", re.IGNORECASE)


@dataclass(frozen=True)
class RunRecord:
    """A run on this machine.

    Args:
        run_id: Its MLflow run id; made up where nothing is tracked.
        folder: Its folder.
    """

    run_id: str
    folder: Path


def find_run(text: str, *, store: Store | None, output_dir: str | Path) -> RunRecord:
    """Finds a run by its folder, its id, or the beginning of its id.

    Args:
        text: What the person typed; a folder comes first where both could be meant.
        store: Asked for runs that no folder under `output_dir` has; None or off: folders alone.
        output_dir: Folder of all runs.

    Raises:
        UserError: If there is no such run, several, or one without its folder.
    """
    for folder in (Path(text), Path(output_dir, text)):
        if text and os.path.isdir(folder) and (run_id := read_id(folder)):
            return RunRecord(run_id, folder)
    is_folder = bool(text) and os.path.isdir(text)
    here = " (there is a folder of that name, but not of a run)" if is_folder else ""
    if not _ID.fullmatch(text):
        raise UserError(
            f"RUN must be a run's folder, its id, or the beginning of one, but is `{text}` "
            f"instead{here}. {_known(output_dir)}"
        )
    folders = {run_id: folder for run_id, folder in local_runs(output_dir) if _fits(text, run_id)}
    if len(text) == 32 and len(folders) == 1:
        return RunRecord(*folders.popitem())
    stored = _stored(text.lower(), store)
    ids = sorted(set(folders) | set(stored))
    if not ids:
        raise UserError(f"There is no run `{text}`{here}. {_known(output_dir)}")
    if len(ids) > 1:
        raise UserError(
            f"`{text}` is the beginning of {len(ids)} runs; type more of it: "
            f"{', '.join(ids[:SHOWN])}{', …' if len(ids) > SHOWN else ''}."
        )
    run_id = ids[0]
    folder = folders.get(run_id) or Path(stored[run_id] or "nowhere")
    if not stored.get(run_id) and run_id not in folders:
        raise UserError(
            f"The run {run_id} is in {store}, but no folder under {output_dir} is its own. "
            "Give `output_dir=…` of that run, or its folder."
        )
    if not folder.is_dir():
        raise UserError(f"The folder {folder} of the run {run_id} is not on this machine.")
    is_its_own = read_id(folder) == run_id or (folder / files.SWEEP).is_file()
    if not is_its_own:  # a tag can name any place, and `resume` writes there
        raise UserError(
            f"The run {run_id} must lie in a folder of its own, but {folder}, which {store} names, "
            "is not its own. Give `output_dir=…` of that run, or its folder."
        )
    return RunRecord(run_id, folder)


def read_id(folder: Path) -> str | None:
    """The id of the run whose folder this is; None if it is none, or its files are damaged."""
    for name in _FILES:
        try:
            run_id = untrusted.read_json(folder / name).get("run_id")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(run_id, str) and run_id:
            return run_id
    return None


def _fits(text: str, run_id: str) -> bool:
    return run_id.lower().startswith(text.lower())


def local_runs(output_dir: str | Path) -> list[tuple[str, Path]]:
    """Returns ids and folders of the runs under a folder, the latest folder name last."""
    root = Path(output_dir)
    folders = {
        file.parent
        for name in _FILES
        # <name>/<time>-<signature>, and one level more for the jobs of a sweep
        for pattern in (f"*/*/{name}", f"*/*/*/{name}")
        for file in root.glob(pattern)
    }
    known = [(read_id(folder), folder) for folder in sorted(folders, key=lambda path: path.name)]
    return [(run_id, folder) for run_id, folder in known if run_id]


def _known(output_dir: str | Path) -> str:
    """The latest runs, for someone who has mistyped one."""
    runs = local_runs(output_dir)[-SHOWN:]
    if not runs:
        return f"There are no runs under {output_dir}; give `output_dir=…` if they lie elsewhere."
    return f"The latest under {output_dir}: " + ", ".join(
        f"{run_id[:8]} ({folder.relative_to(output_dir)})" for run_id, folder in reversed(runs)
    )


def stored_id(text: str, store: Store) -> str | None:
    """Returns the id of the one run of a store that a text is the beginning of; else none."""
    found = list(_stored(text.lower(), store)) if _ID.fullmatch(text) else []
    return found[0] if len(found) == 1 else None


def _stored(text: str, store: Store | None) -> dict[str, str | None]:
    """Ids in a store that begin with a text, and the folders that their tags name."""
    if store is None or store.mode == "off":
        return {}
    with asked(store):
        client = store.client()
        experiments = [found.experiment_id for found in client.search_experiments()]
        runs = client.search_runs(
            experiments, filter_string=f"attributes.run_id LIKE '{text}%'", max_results=100
        )
    return {run.info.run_id: run.data.tags.get(FOLDER_TAG) for run in runs}
