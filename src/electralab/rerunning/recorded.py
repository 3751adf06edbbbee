"""What a run left: in its folder, or in the store where the folder is gone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electralab.errors import UserError
from electralab.running import folder as files
from electralab.running.history import read_history
from electralab.tracking.store import Store, asked

# What a rerun reads, as the names stand among a run's artifacts.
_ARTIFACTS = {
    files.CONFIG: files.CONFIG,
    files.OVERRIDES: files.OVERRIDES,
    files.IDENTITY: files.IDENTITY,
    files.SUMMARY: files.SUMMARY,
    files.HISTORY: files.HISTORY,
    "provenance/provenance.json": files.PROVENANCE,
}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The record of a run.

    Attributes:
        run_id: Its id.
        place: Where the record is from, for messages.
        config: Its configuration, plain; a person's data, which is yet to be checked.
        overrides: What was typed.
        identity: ``run.json``.
        provenance: Code, packages and machine; empty where they are not known.
        summary: Its end; empty if it has none.
        history: What it logged, in order.
    """

    run_id: str
    place: str
    config: dict[str, Any]
    overrides: list[str]
    identity: dict[str, Any]
    provenance: dict[str, Any]
    summary: dict[str, Any]
    history: list[dict[str, Any]]

    @property
    def status(self) -> str:
        """How it ended; ``UNFINISHED`` if it has not said so."""
        return str(self.summary.get("status") or "UNFINISHED")


def read(folder: Path, *, run_id: str, place: str | None = None) -> Recorded:
    """Reads the record of a run from its folder.

    Args:
        folder: The run's, or one that holds the same files.
        run_id: The run's id.
        place: What to call the folder; none: its path.

    Raises:
        UserError: Its configuration cannot be read.
    """
    where = place or str(folder)
    try:
        config = files.read_yaml(folder / files.CONFIG)
        if not isinstance(config, dict):
            raise ValueError("it holds no keys")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"RUN must have a readable {files.CONFIG}, but that of {where} is not: {why}."
        ) from error
    overrides: Any = None
    with suppress(OSError, ValueError):
        overrides = files.read_yaml(folder / files.OVERRIDES)
    return Recorded(
        run_id=run_id,
        place=where,
        config=config,
        overrides=[str(word) for word in overrides] if isinstance(overrides, list) else [],
        identity=files.read_json(folder / files.IDENTITY),
        provenance=files.read_json(folder / files.PROVENANCE),
        summary=files.read_json(folder / files.SUMMARY),
        history=read_history(folder),
    )


def fetch(store: Store, run_id: str, *, into: Path) -> Recorded:
    """Reads the record of a run from a store.

    Args:
        store: Where it was recorded.
        run_id: The run's id.
        into: An empty folder, for the files of the record.

    Raises:
        UserError: The store has no configuration of it.
        RunFailure: The store cannot be used.
    """
    with asked(store):
        client = store.client()
        client.get_run(run_id)
    for artifact, name in _ARTIFACTS.items():
        # Names of our own choice: what a record says of paths is not asked.
        with suppress(Exception):  # which a run of an older version, or a killed one, does not have
            found = client.download_artifacts(run_id, artifact, str(into))
            Path(found).replace(into / name)
    return read(into, run_id=run_id, place=f"the run {run_id} in {store}")
