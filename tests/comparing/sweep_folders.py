"""Sweep and run folders as runs leave them, written without training."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import yaml

METRICS = ("eval_probe_auc", "eval_loss", "test_probe_auc", "eval_probe_auc_low", "loss")


def measured(values: dict[str, Any], *, noise: float = 0.01) -> dict[str, float]:
    """Made-up metrics: a function of the settings, and of the seed a little."""
    rng = random.Random(json.dumps(values, sort_keys=True, default=str))
    numbers = [float(v) for k, v in values.items() if isinstance(v, int | float) and k != "seed"]
    level = 0.7 + 0.1 * math.tanh(sum(math.log10(abs(n) + 1e-6) for n in numbers) / 5)
    auc = level + rng.gauss(0, noise)
    return {
        "loss": 8 * (1 - auc), "grad_norm": 1.5, "learning_rate": 5e-4,
        "tokens_per_second": 9000 + rng.random(), "eval_loss": 9 * (1 - auc),
        "eval_probe_auc": auc, "eval_probe_auc_low": auc - 0.01, "eval_probe_auc_high": auc + 0.01,
        "eval_disc_auc": auc - 0.05, "eval_runtime": 1.5, "test_probe_auc": auc - 0.004,
    }  # fmt: skip


def history(final: dict[str, float], *, steps: int = 20) -> list[dict[str, float]]:
    """Logs that end at the final metrics."""
    logs = []
    for step in range(1, steps + 1):
        share = math.exp(-4 * step / steps)
        logs.append(
            {"step": 10 * step, "epoch": step / 10, "loss": final.get("loss", 2.0) + 3 * share}
        )
        if step % 4 == 0:
            auc = final["eval_probe_auc"] - 0.15 * share
            logs.append({"step": 10 * step, "epoch": step / 10, "eval_probe_auc": auc})
    return logs


def write_run(
    folder: Path,
    *,
    run_id: str = "",
    status: str | None = "FINISHED",
    metrics: dict[str, float] | None = None,
    config: dict[str, Any] | None = None,
    reason: str = "",
    seconds: float = 61.0,
    steps: int = 20,
    **more: Any,
) -> Path:
    """Writes the folder of one run; no status: it has not said how it ended."""
    folder.mkdir(parents=True)
    identity = {"run_id": run_id or f"{abs(hash(str(folder))):032x}"[:32]}
    (folder / "run.json").write_text(json.dumps(identity))
    (folder / "config.yaml").write_text(yaml.safe_dump(config or {"task": {"name": "rtd"}}))
    if status:
        summary = identity | {"status": status, "task": "rtd", "seconds": seconds, **more}
        summary |= {"reason": reason} if reason else {}
        summary |= {"metrics": metrics or {}} if status in ("FINISHED", "PRUNED") else {}
        (folder / "summary.json").write_text(json.dumps(summary))
    if metrics and "eval_probe_auc" in metrics:
        (folder / "history.json").write_text(json.dumps(history(metrics, steps=steps)))
    return folder


def points(**grid: list[Any]) -> list[dict[str, Any]]:
    """All combinations; `__` in a name is a dot."""
    keys = [key.replace("__", ".") for key in grid]
    return [dict(zip(keys, values, strict=True)) for values in itertools.product(*grid.values())]


def write_sweep(
    root: Path,
    values: list[dict[str, Any]],
    *,
    jobs: dict[int, dict[str, Any]] | None = None,
    name: str = "lambda",
    sweep_id: str = "ab12cd34",
    objective: tuple[str, ...] | None = ("eval_probe_auc",),
    metrics: Any = measured,
    **record: Any,
) -> Path:
    """Writes a sweep's folder under `root`.

    Args:
        root: The output folder.
        values: The settings of each job.
        jobs: For some jobs by their index, arguments for `write_run`; None: it has no folder.
        name: Of the sweep.
        sweep_id: Its id.
        objective: Its metrics.
        metrics: Makes a job's metrics from its settings.
        record: More for ``sweep.json``.
    """
    folder = root / name / f"sweep-{sweep_id}"
    folder.mkdir(parents=True)
    signs = [f"{index:08x}" for index in range(1, len(values) + 1)]
    for index, (sign, point) in enumerate(zip(signs, values, strict=True)):
        job = (jobs or {}).get(index, {})
        if job is not None:
            write_run(folder / sign, **{"metrics": metrics(point), **job})
    wanted = [
        {"metric": metric, "direction": "min" if "loss" in metric else "max"}
        for metric in objective or ()
    ]
    content = {
        "sweep_id": sweep_id, "run_id": "f" * 32, "name": name, "task": "rtd",
        "status": "FINISHED", "command": "electralab -m task.disc_weight=10,50 seed=0,1",
        "objective": wanted, "swept": list(values[0]) if values else [], "seconds": 1234.5,
        "points": [
            {"signature": sign, "values": point} for sign, point in zip(signs, values, strict=True)
        ],
    }  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(content | record))
    return folder
