"""Saved views of the MLflow UI, whose table of runs shows no parameter and no metric by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from electralab.tracking.params import entity_key

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

TAG = "mlflow.sharedViewState."  # of an experiment, before the id of a view
_RUN_NAME = "attributes.`Run Name`"
_WIDTH = 100  # pixels of a column at least
_LETTER = 8  # pixels of a letter of its name
_BESIDE = 30  # pixels of a column besides its name


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved view: the entry of the menu "Views" on the page of an experiment's runs.

    Attributes:
        view_id: Names it in an address.
        name: Names it in the menu.
        saved: When, in milliseconds since the epoch.
    """

    view_id: str
    name: str
    saved: int


def save_view(
    client: MlflowClient,
    experiment: str,
    *,
    view_id: str,
    name: str,
    query: str,
    params: Sequence[str],
    metrics: Sequence[str],
) -> None:
    """Saves a view; one with the same id is replaced.

    Args:
        client: Of the store.
        experiment: Id of the experiment.
        view_id: Names it in an address.
        name: Names it in the menu.
        query: Which runs it shows, such as ``tags.sweep_id = '1234abcd'``.
        params: Parameters that are columns, the first ones on the left.
        metrics: Metrics that are columns to their right.
    """
    columns = {f"params.`{entity_key(key)}`": key for key in params}
    columns |= {f"metrics.`{entity_key(key)}`": key for key in metrics}
    widths = {at: max(_WIDTH, _LETTER * len(key) + _BESIDE) for at, key in columns.items()}
    state = {  # by when a run began, for only then the UI nests children under their parent
        "searchFilter": query,
        "selectedColumns": list(columns),
        "columnOrder": [_RUN_NAME, *columns],
        "columnWidths": {_RUN_NAME: 350, **widths},
    }
    now = int(time.time() * 1000)
    content = {"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    client.set_experiment_tag(experiment, f"{TAG}{view_id}", json.dumps(content))


def saved_views(experiment: Experiment) -> list[View]:
    """Returns the views of an experiment; what is no view of this form is left out."""
    found = []
    for key, text in experiment.tags.items():
        if not key.startswith(TAG):
            continue
        try:
            content = json.loads(text)
            view = View(
                view_id=key.removeprefix(TAG),
                name=str(content["name"]),
                saved=int(content["createdAt"]),
            )
        except (ValueError, KeyError, TypeError):  # packed, by another version
            continue
        found.append(view)
    return found


def runs_address(server: str, experiment: str, view: View | None = None) -> str:
    """Returns where a browser finds an experiment's runs.

    Args:
        server: Address of the UI.
        experiment: Id of the experiment.
        view: A view of it; none: the table as the UI shows it.
    """
    words = {"workflowType": "machine_learning"}  # else the UI opens on traces of language models
    if view:
        words["viewStateShareKey"] = view.view_id
    return f"{server}/#/experiments/{experiment}/runs?{urlencode(words)}"
