"""Seconds from a command to its answer, and to its first training step with a warm cache.

    python -m benchmarks.startup [--rounds 5]

Against the bare import of what does the work: Hydra for the answers, 🤗's Trainer for the step. All
take turns, each in a fresh process; medians of the seconds and of the ratios, round by round, and
how much of the seconds that are allowed the best takes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

MISTAKES = ["task.mask_prob=1.2", "model=electra_tny", "trainer.learning_rat=1", "seed=-1"]
COMMANDS = {  # and the seconds that they may take
    "--help": (["--help"], 1.2),
    "--cfg job": (["--cfg", "job"], 1.2),
    "check": (["check"], 2.5),
    "check, 5 mistakes": (["check", *MISTAKES, "data.path=nowhere.txt"], 2.5),
    "a run, 5 mistakes": ([*MISTAKES, "data.path=nowhere.txt"], 2.5),
}
STEP = "first training step"
FIRST_STEP = ["trainer.max_steps=1", "trainer.logging_steps=1", "trainer.eval_strategy=no"]
HYDRA, TRAINER = "import of Hydra", "import of the Trainer"
IMPORTS = {HYDRA: "import hydra", TRAINER: "from transformers import Seq2SeqTrainer"}


def seconds(arguments: list[str], folder: str, until: str | None = None) -> float:
    """Returns how long Python takes, or how long until a line of its stderr."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
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
    ours = ["-m", "electralab"]
    words = ["experiment=demo", *FIRST_STEP, "task.preview_steps=null"]
    with tempfile.TemporaryDirectory() as folder:
        first = partial(seconds, [*ours, *words], folder, until="step 1/")
        works: dict[str, Callable[[], float]] = {STEP: first}
        for name, program in IMPORTS.items():
            works[name] = partial(seconds, ["-c", program], folder)
        for name, (words, _) in COMMANDS.items():
            works[name] = partial(seconds, [*ours, *words], folder)
        cold = first()
        found: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                found[name].append(work())
    for name, taken in found.items():
        line = f"{name:<21} {statistics.median(taken):5.2f} s"
        if name not in IMPORTS:
            other = TRAINER if name == STEP else HYDRA
            ratios = [one / two for one, two in zip(taken, found[other], strict=True)]
            line += f", {statistics.median(ratios):.2f} times the {other}"
        if name in COMMANDS:
            line += f"; best {min(taken):.2f} s of {COMMANDS[name][1]} s"
        print(line)
    print(f"{STEP} with a cold cache: {cold:.1f} s")


if __name__ == "__main__":
    main()
