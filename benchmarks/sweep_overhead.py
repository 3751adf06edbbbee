"""What a job of a sweep costs beyond its training.

    OMP_NUM_THREADS=1 python -m benchmarks.sweep_overhead [--jobs 30] [--launcher basic] [--profile]

A sweep of trivial jobs (2 steps of a tiny model) over a corpus that is prepared once. What Trainer
says that training and evaluation took is a job's training; the rest is overhead: by the job's own
clock, from its begin to its summary, and from the end of one job to that of the next, which has
Hydra's composition and the closing of the record as well. The first job of each process, which
imports, stands by itself.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import random
import statistics
import tempfile
import time
from pathlib import Path

WORDS = "the path of a file is returned as text if it can be read and none otherwise"
SWEEP = """data=text data.path=corpus.txt data.max_length=32 data.split.validation=0.1
data.num_proc=1 model.vocab_size=200 model.hidden_size=16 model.embedding_size=16
model.intermediate_size=32 model.num_hidden_layers=1 model.generator.hidden_size=8
model.generator.num_hidden_layers=1 model.generator.intermediate_size=16
model.max_position_embeddings=64 task.preview_steps=null trainer.max_steps=2
trainer.per_device_train_batch_size=4 trainer.logging_steps=1 trainer.eval_strategy=no
trainer.save_strategy=no"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--launcher", default="basic", choices=("basic", "joblib"))
    parser.add_argument("--profile", action="store_true", help="of the command's own process")
    asked = parser.parse_args()
    at_once = 2 if asked.launcher == "joblib" else 1
    launcher = [f"hydra/launcher={asked.launcher}"]
    launcher += [f"hydra.launcher.n_jobs={at_once}"] if at_once > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        rng = random.Random(0)
        lines = (" ".join(rng.choices(WORDS.split(), k=20)) for _ in range(200))
        Path("corpus.txt").write_text("\n".join(lines))
        seeds = "seed=" + ",".join(map(str, range(asked.jobs)))
        profile = cProfile.Profile(time.process_time)
        run(["-m", *SWEEP.split(), *launcher, seeds], profile if asked.profile else None)
        report(at_once)
        if asked.profile:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(90)
        os.chdir("/")


def run(words: list[str], profile: cProfile.Profile | None) -> None:
    from electralab import cli

    if profile is None:
        assert cli.main(words) == 0
    else:
        assert profile.runcall(cli.main, words) == 0


def report(at_once: int) -> None:
    """Says what each job took besides its training, by its own clock and from end to end."""
    jobs = []
    for path in Path().glob("outputs/rtd/sweep-*/*/summary.json"):
        summary = json.loads(path.read_text())
        history = json.loads((path.parent / "history.json").read_text())
        trained = sum(logs.get("train_runtime", 0.0) for logs in history)
        trained += summary["metrics"]["eval_runtime"]
        jobs.append((path.stat().st_mtime, summary["seconds"], trained))
    jobs.sort()
    ends, spans, trainings = zip(*jobs, strict=True)
    own = [span - trained for span, trained in zip(spans, trainings, strict=True)]
    warm = slice(at_once, None)  # the first of each process imports and compiles
    cycle = at_once * (ends[-1] - ends[at_once - 1]) / (len(jobs) - at_once)
    training = statistics.mean(trainings[warm])
    print(f"{len(jobs)} jobs, {at_once} at a time; training {training:.2f} s a job")
    print(f"  beyond it, by the job's clock: median {statistics.median(own[warm]):.2f} s, ", end="")
    print(f"longest {max(own[warm]):.2f} s; first of a process {max(own[:at_once]):.2f} s")
    print(f"  beyond it, from end to end: {cycle - training:.2f} s")


if __name__ == "__main__":
    main()
