"""What torchrun starts in tests: several commands in the same processes, or one that is hurt.

Run as ``torchrun … launched.py JOB.json``. A job has ``commands``, lists of words; ``statuses``,
the stem of the files to which each process writes how its commands ended; and maybe ``hurt``, what
happens to process 1 in a step: ``crash``, ``stop`` (of the launcher), or ``nan``.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

STEP = 9


def main() -> None:
    """Runs the job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    from electralab import processes
    from electralab.cli import main as electralab

    processes.hush()  # before torch loads
    if job.get("hurt") and os.environ["RANK"] == "1":
        _hurt(job["hurt"])
    statuses = []
    for words in job["commands"]:
        statuses.append(electralab(words))
        file = Path(f"{job['statuses']}-{os.environ['RANK']}.json")
        file.write_text(json.dumps(statuses))
    sys.exit(max(statuses))


def _hurt(how: str) -> None:
    from electralab.tasks.rtd import ReplacedTokenDetection
    from electralab.training.trainer import ExperimentTrainer

    function, calls = ExperimentTrainer.compute_loss, iter(range(1, 10_000))

    def hurt(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == STEP:
            if how == "crash":
                raise RuntimeError("the disk is on fire")
            os.kill(os.getppid(), signal.SIGTERM)
        return function(*args, **kwargs)

    def poisoned(*args: Any, **kwargs: Any) -> Any:
        output = step(*args, **kwargs)
        output.loss = output.loss * (math.nan if next(calls) == STEP else 1)
        return output

    step = ReplacedTokenDetection.step
    if how == "nan":
        ReplacedTokenDetection.step = poisoned
    else:
        ExperimentTrainer.compute_loss = hurt


if __name__ == "__main__":
    main()
