"""Seconds from a command to its answer, and to its first training step with a warm cache.

    python -m benchmarks.startup [--rounds 5]

Best and median of several, in fresh processes, and how much of what is allowed the best takes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

MISTAKES = ["task.mask_prob=1.2", "model=electra_tny", "trainer.learning_rat=1", "seed=-1"]
COMMANDS = {  # and the seconds that they may take
    "--help": (["--help"], 1.2),
    "--cfg job": (["--cfg", "job"], 1.2),
    "check": (["check"], 2.5),
    "check, 5 mistakes": (["check", *MISTAKES, "data.path=nowhere.txt"], 2.5),
    "a run, 5 mistakes": ([*MISTAKES, "data.path=nowhere.txt"], 2.5),
}
FIRST_STEP = ["trainer.max_steps=1", "trainer.logging_steps=1", "trainer.eval_strategy=no"]


def seconds(words: list[str], folder: str, until: str | None = None) -> float:
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "electralab", *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    taken = None
    for line in process.stderr:
        if until and until in line and taken is None:
            taken = time.perf_counter() - start
    process.wait()
    return taken or time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        for name, (words, allowed) in COMMANDS.items():
            found = [seconds(words, folder) for _ in range(rounds)]
            print(
                f"{name:<20} best {min(found):.2f} s, median {statistics.median(found):.2f} s; "
                f"{min(found) / allowed:.0%} of {allowed} s"
            )
        words = ["experiment=demo", *FIRST_STEP, "task.preview_steps=null"]
        cold = seconds(words, folder, until="step 1/")
        found = [seconds(words, folder, until="step 1/") for _ in range(rounds)]
        print(
            f"first training step  best {min(found):.1f} s, median "
            f"{statistics.median(found):.1f} s with a warm cache, {cold:.1f} s with a cold one"
        )


if __name__ == "__main__":
    main()
