"""Processes that all begin at once to record in a store that does not exist yet.

    python -m benchmarks.fresh_store [--processes 8] [--rounds 10]

Each records a run with parameters, tags, metrics and an artifact. Counts the runs of which nothing
is missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 20
RUN = f"""
import sys
from pathlib import Path
from electralab.config import TrackingConfig
from electralab.tracking.run import tracked_run
from electralab.tracking.store import open_store
sys.stdin.readline()  # all at once
store = open_store(TrackingConfig(mode="local", uri=None), output_dir=sys.argv[1])
with tracked_run(
    store, experiment="shared", run_name="x", params={{"a": 1, "b": 2}}, tags={{"sweep_id": "s"}}
) as run:
    for step in range({STEPS}):
        run.log_metrics({{"loss": float(step), "accuracy": 1.0 - step / 100}}, step)
    run.log_text("whole", "notes/a.txt")
print(run.run_id)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    whole = 0
    started = time.perf_counter()
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found = one_round(Path(folder, "out"), asked.processes)
            whole += found
            print(f"round {number + 1}: {found} of {asked.processes}", flush=True)
    total = asked.processes * asked.rounds
    print(f"{whole} of {total} recorded whole, {time.perf_counter() - started:.0f} s")


def one_round(out: Path, processes: int) -> int:
    """Returns how many of the processes left a whole record in a fresh store."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in started:  # the others start meanwhile
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate() for process in started]
    for _, error in results:
        if error:
            print(error[-2000:], file=sys.stderr)
    return sum(is_whole(out, text.strip()) for text, _ in results if text.strip())


def is_whole(out: Path, run_id: str) -> bool:
    """Says whether the store has everything of a run, under the one experiment."""
    from electralab.config import TrackingConfig
    from electralab.tracking.store import open_store

    client = open_store(TrackingConfig(mode="local", uri=None), output_dir=out).client()
    run = client.get_run(run_id)
    [experiment] = [e for e in client.search_experiments() if e.name == "shared"]
    histories = [client.get_metric_history(run_id, name) for name in ("loss", "accuracy")]
    note = out / "artifacts" / "shared" / run_id / "artifacts" / "notes" / "a.txt"
    return (
        run.info.status == "FINISHED"
        and run.info.experiment_id == experiment.experiment_id
        and run.data.params == {"a": "1", "b": "2"}
        and run.data.tags["sweep_id"] == "s"
        and all([point.step for point in found] == [*range(STEPS)] for found in histories)
        and note.read_text() == "whole"
    )


if __name__ == "__main__":
    main()
