"""Kills a sweep again and again; in the end it must be as one that nobody disturbed.

    OMP_NUM_THREADS=1 python -m benchmarks.kill_sweep [--kills 20] [--seed 0]

A sweep of tiny jobs, two at a time, is killed with SIGKILL at random moments, the command or one of
its workers, every third time while the store is being written. The same command is typed after
each. Then the table (all but timing metrics) and the weights are compared to the bit with an
undisturbed sweep, no run may be left RUNNING, and no job may have been finished twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from electralab.timing import TIMING_METRICS

WORDS = """the path of a file is returned as text if it can be read and none otherwise so that
callers may open close write or remove it without an error when names of folders change"""
SWEEP = """data=text data.path=corpus.txt data.max_length=32 data.split.validation=0.1
data.num_proc=1 model.vocab_size=200 model.hidden_size=16 model.embedding_size=16
model.intermediate_size=32 model.num_hidden_layers=1 model.generator.hidden_size=8
model.generator.num_hidden_layers=1 model.generator.intermediate_size=16
model.max_position_embeddings=64 task.preview_steps=null
trainer.max_steps=300 trainer.per_device_train_batch_size=4 trainer.logging_steps=70
trainer.eval_steps=300 trainer.save_steps=50 task.disc_weight=10,50 seed=0,1
hydra/launcher=joblib hydra.launcher.n_jobs=2"""


def start(name: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "electralab", "-m", *SWEEP.split(), f"name={name}"],
        cwd=folder,
        stderr=(folder / f"{name}.log").open("ab"),
        stdout=subprocess.DEVNULL,
    )


def workers(pid: int) -> list[int]:
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return [int(line.split()[0]) for line in lines if "popen_loky" in line]


def kill(process: subprocess.Popen, folder: Path, rng: random.Random, at_write: bool) -> str | None:
    """Kills the command or a worker after a while; returns what it was, or none if it had ended."""
    patience = time.monotonic() + rng.uniform(1, 14)
    while time.monotonic() < patience:
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    journal = folder / "outputs" / "mlflow.db-journal"
    patience = time.monotonic() + 8
    while at_write and not journal.exists() and time.monotonic() < patience:
        if process.poll() is not None:
            return None
    written = journal.exists()
    found = workers(process.pid)
    target = rng.choice(found) if found and rng.random() < 0.5 else process.pid
    try:
        os.kill(target, signal.SIGKILL)
    except ProcessLookupError:
        return None
    what = "the command" if target == process.pid else "a worker"
    return f"{what}{', while the store was written' if at_write and written else ''}"


def results(folder: Path, name: str) -> dict[str, tuple]:
    """Status, metrics and weights of each point."""
    [sweep] = (folder / "outputs" / name).glob("sweep-*")
    found = {}
    for point in json.loads((sweep / "sweep.json").read_text())["points"]:
        job = sweep / point["signature"]
        summary = json.loads((job / "summary.json").read_text())
        metrics = {k: v for k, v in summary["metrics"].items() if k not in TIMING_METRICS}
        weights = (job / "model" / "model.safetensors").read_bytes()
        found[json.dumps(point["values"])] = (summary["status"], metrics, weights)
    return found


def statuses(folder: Path, name: str) -> tuple[Counter, Counter]:
    """How often each status is in the store, and how many runs each point has there."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name(name).experiment_id
    found = client.search_runs([experiment])
    return (
        Counter(run.info.status for run in found),
        Counter(run.data.tags["point"] for run in found if "point" in run.data.tags),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as place:
        return study(Path(place), asked.kills, rng)


def study(folder: Path, kills: int, rng: random.Random) -> int:
    lines = (" ".join(rng.choices(WORDS.split(), k=rng.randint(5, 40))) for _ in range(200))
    (folder / "corpus.txt").write_text("\n".join(lines) + "\n")
    assert start("undisturbed", folder).wait() == 0
    wanted = results(folder, "undisturbed")
    done, sweeps, bad = 0, 1, []
    while done < kills:
        name = f"sweep{sweeps}"
        process = start(name, folder)
        what = kill(process, folder, rng, at_write=done % 3 == 2)
        if what:
            done += 1
            print(f"kill {done:>2}  {name}  {what}", flush=True)
        if what is None or what.startswith("a worker"):
            process.wait()
            if process.returncode == 0:  # it came to its end all the same: on to the next
                bad += verdict(folder, name, wanted)
                sweeps += 1
        else:
            process.wait()
    process = start(f"sweep{sweeps}", folder)
    if process.wait() != 0:
        bad.append(f"sweep{sweeps}: exit status {process.returncode}")
    bad += verdict(folder, f"sweep{sweeps}", wanted)
    print(*bad, sep="\n")
    print(f"{kills} kills, {sweeps} sweeps: {'NOT as' if bad else 'as'} undisturbed, to the bit")
    return int(bool(bad))


def verdict(folder: Path, name: str, wanted: dict[str, tuple]) -> list[str]:
    """Says in which way a sweep is not as the undisturbed one."""
    found = results(folder, name)
    bad = [f"{name}: {point} differs" for point in wanted if found.get(point) != wanted[point]]
    states, runs = statuses(folder, name)
    if set(states) != {"FINISHED"}:
        bad.append(f"{name}: runs are {dict(states)}")
    bad += [f"{name}: {point} has {number} runs" for point, number in runs.items() if number != 1]
    print(f"         {name}  {'bad' if bad else 'as undisturbed'}", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
