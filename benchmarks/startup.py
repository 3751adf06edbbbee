"""Seconds from a command to its answer, and to its first training step with a warm cache.

    python -m benchmarks.startup [--rounds 5]

Best and median of several, in fresh processes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "--help": ["--help"],
    "--cfg job": ["--cfg", "job"],
    "check": ["check"],
    "check, 5 mistakes": [
        "check",
        "task.mask_prob=1.2",
        "model=electra_tny",
        "trainer.learning_rat=1",
        "data.path=nowhere.txt",
        "seed=-1",
    ],
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
        for name, words in COMMANDS.items():
            found = [seconds(words, folder) for _ in range(rounds)]
            print(f"{name:<20} best {min(found):.2f} s, median {statistics.median(found):.2f} s")
        words = ["experiment=demo", *FIRST_STEP, "task.preview_steps=null"]
        cold = seconds(words, folder, until="step 1/")
        found = [seconds(words, folder, until="step 1/") for _ in range(rounds)]
        print(
            f"first training step  best {min(found):.1f} s, median "
            f"{statistics.median(found):.1f} s with a warm cache, {cold:.1f} s with a cold one"
        )


if __name__ == "__main__":
    main()
