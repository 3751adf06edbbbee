"""What the models of a sweep say of the same sentences, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from electralab.running.part import SWEEP_TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PREVIEWS = "previews.json"  # a run's table of held-out sentences on their way through its model


def last_previews(
    client: MlflowClient, experiment: str, *, sweep_id: str, points: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the last previews of the jobs of a sweep, sentence by sentence.

    Args:
        client: Of the store that has them.
        experiment: Id of the sweep's experiment.
        sweep_id: The sweep's.
        points: The values of its swept keys by the signatures of its points, in order.

    Returns:
        A row a sentence and point: the swept keys, with spaces for dots, for the UI shows nothing
        under a name with a dot; and what the table of the job's run has.
    """
    import mlflow

    logged = f"tags.`mlflow.loggedArtifacts` LIKE '%{PREVIEWS}%'"
    mine = f"tags.`{SWEEP_TAG}` = '{sweep_id}' AND {logged}"
    tables: dict[str, list[dict[str, Any]]] = {}
    for run in client.search_runs([experiment], mine, max_results=5000):
        sign = run.data.tags.get("signature")
        if sign not in points:  # the sweep's own run
            continue
        content = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/{PREVIEWS}")
        rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
        last = max(row["step"] for row in rows)
        tables[sign] = [row for row in rows if row["step"] == last]
    named = [
        [{**{key.replace(".", " "): values[key] for key in values}, **row} for row in tables[sign]]
        for sign, values in points.items()
        if sign in tables
    ]
    return [row for rows in zip_longest(*named) for row in rows if row]
