"""A sample of the study in `benchmarks/kill_runs.py`: SIGKILL, and as if nothing had been."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_killed_run_that_goes_on_is_as_one_that_nobody_disturbed():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill_runs", "--kills", "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 kills in runs that ended as undisturbed" in done.stdout
