"""Steps that pruning saves, and whether the best run is still found.

    python benchmarks/pruning.py                  # runs a grid with and without a pruner
    python benchmarks/pruning.py outputs/rtd/sweep-0123abcd   # replays a finished sweep

The first runs the grid twice, under two names. The second asks each pruner what it would have
stopped, by the learning curves of a sweep whose jobs all ran to their end: the runs would have been
the same to the bit up to where they are stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import optuna
from transformers import TrainerControl

from electralab.running.part import Pruning
from electralab.training.pruning import StopPoorRun, open_storage

GRID = ["task.disc_weight=10,25,50", "task.mask_prob=0.15,0.25", "seed=0,1,2"]
STEPS = ["trainer.max_steps=600", "trainer.eval_steps=60", "trainer.save_steps=600"]
MEDIAN = {"name": "median", "n_startup_trials": 5, "n_warmup_steps": "auto", "interval_steps": 1}
HALVING = {"name": "halving", "min_resource": "auto", "reduction_factor": 4}
PRUNERS: dict[str, dict[str, Any]] = {
    "median": MEDIAN,
    "median, 3 trials first": MEDIAN | {"n_startup_trials": 3},
    "median from the first step": MEDIAN | {"n_warmup_steps": 0},
    "halving": HALVING,
    "halving by 3": HALVING | {"reduction_factor": 3},
    "halving by 2": HALVING | {"reduction_factor": 2},
    "halving from the first step": HALVING | {"min_resource": 1},
}


class Job:
    """A job of a sweep: its point, its last step and its curve."""

    def __init__(self, folder: Path, values: dict[str, Any], metric: str) -> None:
        self.values = values
        self.summary = json.loads((folder / "summary.json").read_text())
        logs = json.loads((folder / "history.json").read_text())
        self.curve = {log["step"]: log[metric] for log in logs if metric in log}
        self.steps = max(log["step"] for log in logs)
        self.value = self.summary["metrics"][metric]


def read(sweep: Path) -> tuple[list[Job], dict[str, str]]:
    """Returns the jobs of a sweep in their order, and its first objective."""
    record = json.loads((sweep / "sweep.json").read_text())
    objective = record["objective"][0]
    points = record["points"]
    jobs = [Job(sweep / one["signature"], one["values"], objective["metric"]) for one in points]
    return jobs, objective


def best(values: dict[str, float], direction: str) -> str:
    if not values:
        return "none"
    point = (max if direction == "max" else min)(values, key=values.__getitem__)
    return f"{values[point]:.4f} at {point}"


def name_of(job: Job, *, but: tuple[str, ...] = ()) -> str:
    return " ".join(f"{key}={value}" for key, value in job.values.items() if key not in but)


def show(
    name: str, steps: int, kept: list[Job], jobs: list[Job], objective: dict[str, str]
) -> None:
    """Prints a pruner's line: what it saved, the best run, and the best mean over whole seeds."""
    every = sum(job.steps for job in jobs)
    whole = {
        setting: [job.value for job in kept if name_of(job, but=("seed",)) == setting]
        for setting in {name_of(job, but=("seed",)) for job in kept}
    }
    seeds = max((len(values) for values in whole.values()), default=0)
    means = {name: fmean(values) for name, values in whole.items() if len(values) == seeds}
    way = objective["direction"]
    print(
        f"{name}: {len(kept)} of {len(jobs)} runs to the end, {steps:,} of {every:,} steps "
        f"({1 - steps / every:.0%} saved)\n"
        f"    best {objective['metric']} {best({name_of(job): job.value for job in kept}, way)}\n"
        f"    best mean of {seeds} seeds {best(means, way)}"
    )


def replay(sweep: Path, *, orders: int) -> None:
    """Prints what each pruner would have stopped, had the jobs come in other orders."""
    jobs, objective = read(sweep)
    show("none", sum(job.steps for job in jobs), jobs, jobs, objective)
    every = sum(job.steps for job in jobs)
    sign = 1 if objective["direction"] == "max" else -1
    top = max(sign * job.value for job in jobs)
    for name, pruner in PRUNERS.items():
        saved, found = [], []
        for order in range(orders):
            steps, kept = _search(random.Random(order).sample(jobs, len(jobs)), objective, pruner)
            saved.append(1 - steps / every)
            found.append(max(sign * job.value for job in kept))
        print(
            f"{name}: saved {fmean(saved):.0%} of the steps (least {min(saved):.0%}); the best run "
            f"found in {sum(one == top for one in found)} of {orders} orders, on average "
            f"{sign * fmean(found):.4f}"
        )


def _search(
    jobs: list[Job], objective: dict[str, str], pruner: dict[str, Any]
) -> tuple[int, list[Job]]:
    """Returns the steps that a search takes with a pruner, and the jobs that reach their end."""
    steps, kept = 0, []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/optuna.db"
        study = optuna.create_study(
            study_name="replay",
            storage=open_storage(url),
            direction={"max": "maximize", "min": "minimize"}[objective["direction"]],
        )
        for job in jobs:
            trial = study.ask()
            step = _stopped(job, trial.number, url, objective["metric"], pruner)
            steps += step or job.steps
            if step is None:
                kept.append(job)
                study.tell(trial, job.value)
            else:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return steps, kept


def _stopped(job: Job, trial: int, url: str, metric: str, pruner: dict[str, Any]) -> int | None:
    pruning = Pruning(storage=url, study="replay", trial=trial, metric=metric, pruner=pruner)
    judge = StopPoorRun(pruning)
    control = TrainerControl()
    judge.on_train_begin(None, None, control)
    for step, value in job.curve.items():
        state = SimpleNamespace(global_step=step, max_steps=job.steps, is_world_process_zero=True)
        judge.on_evaluate(None, state, control, metrics={metric: value})
        if control.should_training_stop:
            return step
    return None


def run(words: list[str], pruner: str) -> Path:
    """Runs the grid; returns the sweep's folder."""
    chosen = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid"]
    name = f"pruning-{pruner.partition(' ')[0]}"
    command = [sys.executable, "-m", "electralab", "-m", *chosen, *words, f"name={name}"]
    subprocess.run([*command, *f"hydra/sweeper/pruner={pruner}".split()], check=True)
    where = next((w.partition("=")[2] for w in words if w.startswith("output_dir=")), "outputs")
    return max(Path(where, name).glob("sweep-*/sweep.json"), key=lambda p: p.stat().st_mtime).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pruner", default="median hydra.sweeper.pruner.n_startup_trials=3")
    parser.add_argument("--orders", type=int, default=10, help="of the jobs of a finished sweep")
    parser.add_argument("words", nargs="*", help="a sweep's folder, or overrides of the grid")
    flags = parser.parse_args()
    if flags.words and Path(flags.words[0]).is_dir():
        replay(Path(flags.words[0]), orders=flags.orders)
        return
    words = [*GRID, *STEPS, *flags.words]
    every, objective = read(run(words, "none"))
    show("none", sum(job.steps for job in every), every, every, objective)
    jobs, _ = read(run(words, flags.pruner))
    kept = [job for job in jobs if job.summary["status"] == "FINISHED"]
    show(flags.pruner, sum(job.steps for job in jobs), kept, every, objective)


if __name__ == "__main__":
    main()
