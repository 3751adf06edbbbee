"""Feeds random mistakes to the configuration or to the data readers, and looks for a traceback.

    python -m benchmarks.fuzz config [--seconds 600] [--seed 0]
    python -m benchmarks.fuzz data [--seconds 600] [--seed 0] [--only 17]

An execution must end in a legal result or in lines that a person can read: an exception that is no
`UserError`, a line with a control character or of more than 2,000 characters, more than 20 seconds
of work, and whatever is left behind are findings. Each execution is a function of the seed and its
number, so that `--only` does one again and shows its trace.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import fuzz_config, fuzz_data

TARGETS = {"config": fuzz_config, "data": fuzz_data}
PATIENCE = 20  # seconds of the processor in an execution; ten times as many of the clock
LONGEST = 2000  # characters of a line


class Finding(Exception):
    """What an execution did that it must not."""


def execute(target: str, seed: int, number: int) -> str:
    """Does one execution in an empty folder; returns how it ended.

    Raises:
        Finding: It left something behind, or said what nobody can read.
        Exception: It is no mistake of a user that was raised.
    """
    home = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        signal.alarm(10 * PATIENCE)  # which waiting uses up too
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        try:
            kind, lines = TARGETS[target].once(random.Random(f"{seed} {number}"), Path(folder))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.alarm(0)
            os.chdir(home)
    for line in lines:
        if not line.isprintable() or len(line) > LONGEST:
            raise Finding(f"no line for a person: {line[:200]!r}")
    return kind


def fuzz(target: str, *, seconds: float, seed: int, only: int | None = None) -> int:
    """Executes until the time is over; prints each kind of finding once, and returns how many."""
    os.environ.update(HYDRA_FULL_ERROR="1", HF_HUB_OFFLINE="1", MLFLOW_DISABLE_TELEMETRY="true")
    late = {number: signal.signal(number, _late) for number in (signal.SIGALRM, signal.SIGVTALRM)}
    ends: Counter[str] = Counter()
    found: dict[Any, int] = {}
    TARGETS[target].ready()
    start = time.monotonic()
    number = only or 0
    try:
        while time.monotonic() - start < seconds:
            try:
                ends[execute(target, seed, number)] += 1
            except (Exception, SystemExit) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                said = str(error)[:40] if isinstance(error, Finding) else ""
                key = (type(error), place.filename, place.lineno, said)
                found[key] = found.get(key, 0) + 1
                if found[key] == 1:
                    print(f"{target} {seed} {number}: {type(error).__name__}: {str(error)[:300]}")
                    print(f"    {place.filename}, line {place.lineno}", flush=True)
                if only is not None:
                    traceback.print_exc()
            number += 1
            if only is not None:
                break
    finally:
        for number_of, handler in late.items():
            signal.signal(number_of, handler)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{target}, seed {seed}: {number - (only or 0):,} executions in "
        f"{time.monotonic() - start:.0f} s, {dict(ends.most_common())}, peak {peak:,} MB; "
        f"{len(found)} findings"
    )
    return len(found)


def _late(*_: Any) -> None:
    raise Finding(f"not done after {PATIENCE} seconds of work")


def main() -> int:
    """Returns 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one execution")
    asked = parser.parse_args()
    faulthandler.enable()
    return int(fuzz(asked.target, seconds=asked.seconds, seed=asked.seed, only=asked.only) > 0)


if __name__ == "__main__":
    sys.exit(main())
