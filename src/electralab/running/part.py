"""What joins a run to the chain or the sweep that it is a part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PARENT_TAG = "mlflow.parentRunId"  # under which the MLflow UI nests


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a run is recorded as a part of something larger.

    Attributes:
        tags: Of the tracked run, its parent's id among them.
        folder: Where the run lies; none: in a folder of its own.
        title: What the tracking UI calls it; none: its name and signature.
        params: Parameters besides its configuration, such as the option of a swept group.
    """

    tags: Mapping[str, str]
    folder: Path | None = None
    title: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)


Link = Callable[[], Part]  # asked when the run begins, for what it is part of may begin with it
