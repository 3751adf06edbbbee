"""One entry of a run's journal on its way to the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.tracking.journal import POINTS, Entry

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PARAMS, TAGS, UNTAG, STATUS = "params", "tags", "untag", "status"
TEXT, FILE, TO, AT = "text", "file", "to", "at"
A_REQUEST = 100  # parameters or tags; MLflow's limit


def send(client: MlflowClient, run_id: str, entry: Entry, *, folder: Path | None) -> None:
    """Gives an entry to the store; the same one again changes nothing there.

    Args:
        client: Of the store.
        run_id: The run's id.
        entry: With one of the keys above.
        folder: What the paths of files begin in.

    Raises:
        Exception: Whatever the client raises, or FileNotFoundError.
    """
    from mlflow.entities import Metric, Param, RunTag

    if POINTS in entry:
        # The store knows a point by name, step, moment and value, and has it once.
        metrics = [Metric(key, value, moment, step) for key, value, moment, step in entry[POINTS]]
        client.log_batch(run_id, metrics=metrics)
    elif PARAMS in entry:
        client.log_batch(run_id, params=[Param(*pair) for pair in entry[PARAMS].items()])
    elif TAGS in entry:
        client.log_batch(run_id, tags=[RunTag(*pair) for pair in entry[TAGS].items()])
    elif UNTAG in entry:
        _untag(client, run_id, entry[UNTAG])
    elif TEXT in entry:
        client.log_text(run_id, entry[TEXT], entry[TO])
    elif FILE in entry:
        path = Path(folder or "", entry[FILE])
        if not path.exists():
            raise FileNotFoundError(f"{path} is gone")
        client.log_artifact(run_id, str(path), entry.get(TO))
    elif entry.get(STATUS) == "RUNNING":
        client.update_run(run_id, status="RUNNING")
    elif STATUS in entry:
        client.set_terminated(run_id, entry[STATUS], entry.get(AT))


def is_refusal(error: Exception) -> bool:
    """Says whether the same would be refused again, by a store that works."""
    if isinstance(error, FileNotFoundError):
        return True
    # A run that is deleted can be restored.
    invalid = getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE"
    return invalid and "'active' state" not in str(error)


def count(entries: Iterable[Entry]) -> dict[str, int]:
    """Returns how many there are of each kind, by its name in words."""
    found: dict[str, int] = {}
    for entry in entries:
        for key, (name, number) in _NAMES.items():
            if key in entry:
                found[name] = found.get(name, 0) + number(entry[key])
    return found


def in_words(counts: Mapping[str, int]) -> str:
    """Returns counts as a list in words.

    >>> in_words({"metric point": 12, "artifact": 1, "status": 2})
    '12 metric points, 1 artifact and its status'
    """
    parts = [
        "its status" if name == "status" else f"{number:,} {name}{'s' if number != 1 else ''}"
        for name, number in counts.items()
        if number
    ]
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _one(_: Any) -> int:
    return 1


_NAMES = {
    POINTS: ("metric point", len),
    PARAMS: ("parameter", len),
    TAGS: ("tag", len),
    FILE: ("artifact", _one),
    TEXT: ("artifact", _one),
    STATUS: ("status", _one),
}


def _untag(client: MlflowClient, run_id: str, names: list[str]) -> None:
    known = client.get_run(run_id).data.tags
    for name in names:
        if name in known:
            client.delete_tag(run_id, name)
