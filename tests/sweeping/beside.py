"""Sweeps in several processes: a short one, what it comes to, and how to get in its way."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

from electralab.timing import TIMING_METRICS
from tests.conftest import TINY
from tests.sweeping.conftest import folder

STEPS = [
    "trainer.max_steps=300",
    "trainer.eval_steps=300",
    "trainer.save_steps=60",
    "trainer.logging_steps=100",  # so that a window spans a break
    "task.preview_steps=null",
]
KEYS = tuple(word.partition("=")[0] for word in STEPS)
SHORT = [word for word in TINY if not word.startswith(KEYS)]


def results(name: str) -> dict[int, tuple]:
    """What each seed came to, as far as no clock had a part in it."""
    found = {}
    for point in json.loads((folder(name) / "sweep.json").read_text())["points"]:
        job = folder(name) / point["signature"]
        summary = json.loads((job / "summary.json").read_text())
        metrics = {k: v for k, v in summary["metrics"].items() if k not in TIMING_METRICS}
        weights = (job / "model" / "model.safetensors").read_bytes()
        found[point["values"]["seed"]] = (summary["status"], metrics, weights)
    return found


def recorded(name: str) -> list[tuple[str, str]]:
    """Name and status of the runs in the store."""
    from electralab.config import TrackingConfig
    from electralab.tracking.store import open_store

    client = open_store(TrackingConfig(mode="local", uri=None), output_dir="outputs").client()
    [experiment] = [client.get_experiment_by_name(name).experiment_id]
    found = client.search_runs([experiment])
    return sorted((run.info.run_name.split(":")[0], run.info.status) for run in found)


def begun(name: str) -> int:
    """Number of jobs that have a checkpoint."""
    found = Path("outputs", name).glob("sweep-*/*/checkpoints/checkpoint-*/trainer_state.json")
    return len({path.parents[2] for path in found})


def when(condition, then, *, seconds: float = 120) -> threading.Thread:
    """Does something beside the test as soon as a condition holds."""

    def wait() -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def children(pid: int) -> list[int]:
    """The processes of loky that work for one."""
    out = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in out.splitlines() if "popen_loky" in line]


def is_running(pid: int) -> bool:
    """Whether a process has yet to end; one that its parent has not yet collected has ended."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
