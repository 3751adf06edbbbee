"""What joins a run to the chain or the sweep that it is a part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARENT_TAG = "mlflow.parentRunId"  # under which the MLflow UI nests
SWEEP_TAG, ROLE_TAG, POINT_TAG = "sweep_id", "sweep", "point"  # of a sweep's runs


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """How a run is stopped early, if it is worse than the others of its search.

    Attributes:
        storage: URL of the database of the search.
        study: Its name there.
        trial: The number of the run's trial.
        metric: What the runs are judged by, as an evaluation names it.
        pruner: The name and the settings of the pruner.
    """

    storage: str
    study: str
    trial: int
    metric: str
    pruner: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a run is recorded as a part of something larger.

    Attributes:
        tags: Of the tracked run, its parent's id among them.
        folder: Where the run lies; none: in a folder of its own.
        title: What the tracking UI calls it; none: its name and signature.
        params: Parameters besides its configuration, such as the option of a swept group.
        pruning: Of a search; none: it runs to its end.
        data_fingerprint: That the prepared data must have; none: any.
    """

    tags: Mapping[str, str]
    folder: Path | None = None
    title: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    pruning: Pruning | None = None
    data_fingerprint: str | None = None


Link = Callable[[], Part]  # asked when the run begins, for what it is part of may begin with it
