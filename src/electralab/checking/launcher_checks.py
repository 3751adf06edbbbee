"""What can be wrong with `hydra.launcher`, without starting anything."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

_PACKAGES = {
    "joblib": "hydra_joblib_launcher",
    "local": "hydra_submitit_launcher",
    "slurm": "hydra_submitit_launcher",
}


def kind(node: Mapping[str, Any]) -> str:
    """Returns which launcher it is: ``basic``, ``joblib``, ``local`` or ``slurm`` (of submitit)."""
    name = str(node.get("_target_", "")).rsplit(".", 1)[-1]
    return name.removesuffix("Launcher").lower()


def problems(node: Mapping[str, Any]) -> list[str]:
    """Finds what a launcher could not work with.

    Args:
        node: `hydra.launcher`, plain.
    """
    package = _PACKAGES.get(kind(node))
    if package is None:
        return []
    if importlib.util.find_spec("hydra_plugins") is None or not importlib.util.find_spec(
        f"hydra_plugins.{package}"
    ):
        return [
            f"`hydra/launcher` must be an installed one, but {package} is not there; "
            "pip install electralab[parallel]."
        ]
    if kind(node) == "joblib":
        jobs = node.get("n_jobs")
        if isinstance(jobs, int) and jobs != 0:
            return []
        return [
            "`hydra.launcher.n_jobs` must be the number of jobs at once, or -1 for one a core, "
            f"but is {jobs} instead."
        ]
    return [
        f"`hydra.launcher.{key}` must be 1, for a job is one process, but is {node[key]} instead."
        for key in ("nodes", "tasks_per_node")
        if node.get(key) not in (None, 1)
    ]
