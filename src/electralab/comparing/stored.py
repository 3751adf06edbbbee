"""Runs as a store alone knows them, where their folders are gone or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from electralab.comparing.results import PRUNED, UNFINISHED, Curve, Result, finite
from electralab.comparing.settings import flat
from electralab.running.part import PARENT_TAG, POINT_TAG
from electralab.tracking.store import Store, asked

if TYPE_CHECKING:
    from mlflow.entities import Run

_NOT_OF_THE_END = ("baseline_", "system/")


def children(store: Store, parent: str) -> dict[str, Run]:
    """Returns the newest child of a run for each signature, in order of their beginning.

    Args:
        store: The tracking store.
        parent: The id of the run.
    """
    found = search(store, f"tags.`{PARENT_TAG}` = '{parent}'")
    begun = sorted(found, key=lambda run: (run.info.start_time or 0, run.info.run_id))
    return {run.data.tags.get("signature", run.info.run_id): run for run in begun}


def search(store: Store, condition: str) -> list[Run]:
    """Returns all runs of a store that meet a condition in MLflow's language."""
    if store.mode == "off":
        return []
    runs: list[Run] = []
    with asked(store):
        client = store.client()
        experiments = [found.experiment_id for found in client.search_experiments()]
        token = None
        while experiments:
            page = client.search_runs(experiments, condition, page_token=token, max_results=1000)
            runs += page
            token = page.token
            if not token:
                break
    return runs


def point(run: Run) -> dict[str, Any]:
    """Returns the swept settings of a job."""
    try:
        found = json.loads(run.data.tags.get(POINT_TAG, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def configuration(run: Run) -> dict[str, Any]:
    """Returns all settings of a run."""
    return flat(run.data.params)


def as_result(run: Run, store: Store, *, settings: Mapping[str, Any]) -> Result:
    """Returns what a store says of a run.

    Args:
        run: From a search.
        store: Where its curves are.
        settings: Its settings of interest.
    """
    tags, status = run.data.tags, run.info.status
    if status in ("RUNNING", "SCHEDULED"):
        status = UNFINISHED
    if "pruned" in tags:  # MLflow has no such status
        status = PRUNED
    metrics = {
        name: value
        for name, value in sorted(run.data.metrics.items())
        if not name.startswith(_NOT_OF_THE_END)
    }
    try:
        seconds = float(tags["seconds"])
    except (KeyError, ValueError):
        seconds = None
    return Result(
        run_id=run.info.run_id,
        label=tags.get("signature", run.info.run_id[:8]),
        status=status,
        settings=settings,
        reason=" ".join(tags.get("reason", tags.get("failure", "")).split()),
        metrics=finite(metrics) if status == "FINISHED" else {},
        seconds=seconds,
        seeds=_seeds(tags),
        curve=_Curves(store, run.info.run_id),
    )


def _seeds(tags: Mapping[str, str]) -> int:
    """Returns how many seeds a chain's metrics are means of."""
    try:
        return max(1, len(json.loads(tags.get("runs", "{}")).get("adapted", [])))
    except (ValueError, AttributeError, TypeError):
        return 1


class _Curves:
    """Asks a store for a curve when it is wanted."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id

    def __call__(self, metric: str) -> Curve:
        with asked(self.store):
            history = self.store.client().get_metric_history(self.run_id, metric)
        return sorted({float(point.step): float(point.value) for point in history}.items())
