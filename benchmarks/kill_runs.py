"""Kills runs of every task with SIGKILL, goes on with them, and compares with undisturbed runs.

    OMP_NUM_THREADS=1 python -m benchmarks.kill_runs [--kills 40] [--seed 0]

Tiny models in eight settings. A run is killed at a random moment, or when it comes for the n-th
time to a chosen place: in the middle of a checkpoint, of an evaluation, of a request to the store,
of saving the model, or after its training. Every sixth kill also cuts off a file of the newest
checkpoint, if there is one before it. Then the run goes on, by `electralab resume` or by
`resume=auto`, and is killed again. In the end the SHA-256 of its weights, its ``history.json``, the
metrics of its summary and every point in the MLflow store must be those of a run that nobody
disturbed, timing metrics left out. The runs are forks of this process, which spares the imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before anything imports MLflow

import mlflow  # noqa: F401  the runs find it imported
import torch
from transformers import PreTrainedModel

from benchmarks.reruns import ENCODER, GENERATOR, MARIAN, write_data
from electralab.cli import main as electralab
from electralab.running import checkpoints, report
from electralab.timing import TIMING_METRICS
from electralab.tracking.run import TrackedRun
from electralab.training import session
from electralab.training.trainer import ExperimentTrainer

STEPS = """data.max_length=32 data.split.validation=0.1 data.num_proc=1 trainer.max_steps=40
trainer.per_device_train_batch_size=4 trainer.logging_steps=3 trainer.eval_strategy=steps
trainer.eval_steps=8 trainer.save_strategy=steps trainer.save_steps=8"""
EPOCHS = """data.max_length=32 data.split.validation=0.1 data.num_proc=1 trainer.num_train_epochs=4
trainer.per_device_train_batch_size=8 trainer.gradient_accumulation_steps=3 trainer.logging_steps=4
trainer.eval_strategy=epoch"""
TEXT = "data=text data.path=corpus.txt model.dropout=0.1"
RTD = f"task=rtd model=electra_tiny task.preview_steps=null {TEXT} {ENCODER} {GENERATOR}"
MLM = f"task=mlm model=electra_tiny task.preview_steps=null {TEXT} {ENCODER}"
LABELS = f"""task=classification data=csv data.path=pairs.csv data.split.test=0.2 trainer.bf16=false
model=electra_tiny model.dropout=0.1 {ENCODER}"""
LINES = f"task=translation data=moses data.path=[a.en,a.fr] data.split.test=0.1 {MARIAN}"
BEST = "trainer.load_best_model_at_end=true trainer.metric_for_best_model"
SETTINGS = {
    "rtd, blocks": f"{RTD} {STEPS}",
    "rtd, grouped, accumulated, 2 workers": f"{RTD} {STEPS} data.packing=none"
    " trainer.gradient_accumulation_steps=2 trainer.dataloader_num_workers=2",
    "mlm, best kept, one checkpoint": f"{MLM} {STEPS} {BEST}=eval_loss trainer.save_total_limit=1",
    "mlm, grouped, epochs, steps saved": f"{MLM} {EPOCHS} data.packing=none trainer.save_steps=5"
    " trainer.save_strategy=steps",
    "classification, early stopping": f"{LABELS} {STEPS} {BEST}=eval_accuracy"
    " trainer.early_stopping_patience=2",
    "classification, epochs, 1 worker": f"{LABELS} {EPOCHS} trainer.save_strategy=epoch"
    f" {BEST}=eval_loss trainer.dataloader_num_workers=1",
    "translation, accumulated, plateau": f"{LINES} {STEPS} trainer.gradient_accumulation_steps=2"
    " trainer.lr_scheduler_type=reduce_lr_on_plateau trainer.metric_for_best_model=eval_loss",
    "translation, epochs, best saved": f"{LINES} {EPOCHS} trainer.save_strategy=best"
    f" {BEST}=eval_loss trainer.dataloader_num_workers=2",
}
# Where a run is killed: what it is called, its place, whether before or after, at most which time.
PLACES = {
    "in a checkpoint, after its weights": (PreTrainedModel, "save_pretrained", "after", 4),
    "in a checkpoint, a file half written": (torch, "save", "half", 9),
    "in a checkpoint, before its name": (checkpoints, "put", "before", 4),
    "after a checkpoint, before the old go": (checkpoints, "rotate", "before", 4),
    "in an evaluation": (ExperimentTrainer, "prediction_step", "before", 12),
    "before a log": (ExperimentTrainer, "log", "before", 12),
    "in a request to the store": (TrackedRun, "_send", "before", 3),
    "after the last step": (ExperimentTrainer, "_finalize_training", "before", 1),
    "before the model is saved": (session, "_save_model", "before", 1),
    "in saving the model": (session, "_save_model", "half", 1),
    "after the model is saved": (session, "_save_model", "after", 1),
    "in the final evaluation": (session, "evaluate", "half", 1),
    "before the summary": (report, "conclude", "before", 1),
}


def main() -> int:
    """Prints a line a kill and a total; returns 1 unless all ended as undisturbed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        write_data(Path(place))
        return study(Path(place), kills=asked.kills, rng=random.Random(asked.seed))


def study(here: Path, *, kills: int, rng: random.Random) -> int:
    """Kills the runs of each setting in turn, so many times in all.

    Args:
        here: The working directory, with the data.
        kills: How many.
        rng: Chooses moments and places.
    """
    done, good, bad = 0, 0, 0
    for number, (name, words) in enumerate(SETTINGS.items()):
        share = -(-kills * (number + 1) // len(SETTINGS)) - done  # a single kill is for the first
        if not share:
            continue
        calm, began = f"undisturbed-{number}", time.monotonic()
        if start([*words.split(), f"name={calm}"], here / f"{calm}.log") != 0:
            sys.exit((here / f"{calm}.log").read_text())
        seconds = time.monotonic() - began
        wanted = results(newest_run(here, calm))
        left, attempt = share, 0
        while left:
            attempt += 1
            run = f"run-{number}-{attempt}"
            killed = disturb(here, [*words.split(), f"name={run}"], run, left, seconds, rng, done)
            left, done = left - killed, done + killed
            differing = compare(results(newest_run(here, run)), wanted)
            good, bad = good + (not differing and killed), bad + bool(differing)
            verdict = "; ".join(differing) or "as undisturbed"
            print(f"         {name}: {killed} kills, {verdict}", flush=True)
            if differing and os.environ.get("KEEP"):
                sys.exit(f"kept: {here}")
    print(
        f"{good} of {done} kills in runs that ended as undisturbed, to the bit; {bad} runs differ"
    )
    return int(bad > 0)


def disturb(
    here: Path,
    words: list[str],
    run: str,
    most: int,
    seconds: float,
    rng: random.Random,
    done: int,
) -> int:
    """Kills a run again and again until it ends; returns how often it was killed."""
    killed, tries, folder = 0, 0, None
    log = here / f"{run}.log"
    while True:
        tries += 1
        command = [*words, "resume=auto"] if folder is None or rng.random() < 0.5 else None
        command = command or ["resume", str(folder)]
        if killed == most or tries > most + 4:
            if start(command, log) != 0:
                sys.exit(log.read_text())
            return killed
        where, moment = None, rng.uniform(0, 1) * seconds
        if rng.random() < 0.65:
            where = rng.choice(list(PLACES))
        count = rng.randint(1, PLACES[where][3]) if where else 0
        status = start(command, log, where=where, count=count, after=None if where else moment)
        folder = newest_run(here, run)
        if status != -signal.SIGKILL:
            if status != 0:
                sys.exit(log.read_text())
            return killed
        killed += 1
        what = f"{where} ({count})" if where else f"after {moment:.1f} s"
        cut = ""
        if folder and (done + killed) % 6 == 0:
            cut = cut_off_newest(folder, rng)
        print(f"kill {done + killed:>2}  {run:<9} {what}{cut}", flush=True)


def start(
    words: list[str],
    log: Path,
    *,
    where: str | None = None,
    count: int = 0,
    after: float | None = None,
) -> int:
    """Runs a command in a fork of this process; returns its exit status, negative for a signal.

    Args:
        words: The command.
        log: What it shows is added to this file.
        where: Kill it at this place of `PLACES`.
        count: When it comes there for the so many-th time.
        after: Kill it after so many seconds.
    """
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if where:
            _lay(where, count)
        status = 1
        try:
            status = electralab(words)
        finally:
            os._exit(status)
    began = time.monotonic()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if after is not None and time.monotonic() - began > after:
            os.kill(pid, signal.SIGKILL)
            after = None
        time.sleep(0.01)


def _lay(where: str, count: int) -> None:
    """Makes this process kill itself when it comes to a place for the so many-th time."""
    owner, name, moment, _ = PLACES[where]
    function, calls = getattr(owner, name), iter(range(1, 99_999))

    def reached(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != count:
            return function(*args, **kwargs)
        if moment == "before":
            _kill()
        if moment == "half" and name == "_save_model":
            os.replace = _kill  # what would give it its name
        if moment == "half" and name == "evaluate":
            ExperimentTrainer.prediction_step = _kill
        result = function(*args, **kwargs)
        if moment == "half" and name == "save":
            os.truncate(args[1], os.path.getsize(args[1]) // 2)
        _kill()
        return result

    setattr(owner, name, reached)


def _kill(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def cut_off_newest(folder: Path, rng: random.Random) -> str:
    """Cuts off a file of the newest checkpoint where there is another one; says which."""
    found = checkpoints.newest_first(folder / "checkpoints")
    if len(found) < 2:
        return ""
    files = sorted(path for path in found[0].iterdir() if path.stat().st_size > 100)
    file = rng.choice(files)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return f", and {found[0].name}/{file.name} cut off"


def newest_run(here: Path, name: str) -> Path | None:
    """Returns the run that a name has, if it has one yet."""
    found = sorted(path.parent for path in (here / "outputs" / name).glob("*/run.json"))
    if len(found) > 1:
        sys.exit(f"{name} has {len(found)} runs")
    return found[0] if found else None


def results(folder: Path) -> dict[str, Any]:
    """What must be the same: weights, history, metrics and points."""
    # In a fork, whose connections to the store end with it.
    readable, writable = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writable, json.dumps(_points(folder)).encode())
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as pipe:
        points = json.loads(pipe.read())
    os.waitpid(pid, 0)
    summary = json.loads((folder / "summary.json").read_text())
    history = json.loads((folder / "history.json").read_text())
    weights = (folder / "model" / "model.safetensors").read_bytes()
    return {
        "status": summary["status"],
        "weights": hashlib.sha256(weights).hexdigest(),
        "summary": _untimed(summary["metrics"]),
        "history": [_untimed(logs) for logs in history],
        "points": _untimed(points),
        "steps of timing points": {
            name: sorted({step for step, _ in found})
            for name, found in points.items()
            # The time of preparing a model is measured once a process.
            if name in TIMING_METRICS and not name.endswith("preparation_time")
        },
    }


def _points(folder: Path) -> dict[str, list]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.parents[1]}/mlflow.db")
    run = client.get_run(json.loads((folder / "run.json").read_text())["run_id"])
    found = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    ordered = {
        n: sorted(p, key=lambda point: (point.step, point.timestamp)) for n, p in found.items()
    }
    points = {name: [(p.step, repr(p.value)) for p in many] for name, many in ordered.items()}
    return points | {"status": run.info.status}


def _untimed(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name not in TIMING_METRICS}


def compare(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Says what of a run is not as in the undisturbed one."""
    bad = []
    for name in (name for name in wanted if found[name] != wanted[name]):
        one, other = found[name], wanted[name]
        keys = []
        if isinstance(one, dict):
            keys = [key for key in one | other if one.get(key) != other.get(key)]
        bad.append(f"{name} differ in {', '.join(keys[:4])}" if keys else f"{name} differs")
    return bad


if __name__ == "__main__":
    sys.exit(main())
