"""A cluster of one machine: what `sbatch`, `srun`, `sacct` and `scontrol` do of it for submitit.

Its state lies in the folder $FAKE_SLURM: a file `<job>.state`, and `<job>.requeue` if asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

STATE = Path(os.environ["FAKE_SLURM"])
JOB = 77


def sbatch(script: str) -> None:
    text = Path(script).read_text()
    Path(STATE, "submitted.sh").write_text(text)
    array = re.search(r"#SBATCH --array=0-(\d+)", text)
    for index in range(int(array[1]) + 1) if array else [None]:
        name = str(JOB) if index is None else f"{JOB}_{index}"
        Path(STATE, f"{name}.state").write_text("RUNNING")
        # Who waits for the end of what `sbatch` says does not wait for the job.
        void = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, __file__, "node", name, script]
        subprocess.Popen(command, start_new_session=True, **void)
    print(f"Submitted batch job {JOB}")


def node(name: str, script: str) -> None:
    """Runs a job, again each time that it asks for it."""
    job, _, index = name.partition("_")
    variables = {"SLURM_JOB_ID": str(JOB), "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    if index:
        variables |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": index}
    again = Path(STATE, f"{name}.requeue")
    with open(STATE / "nodes.log", "ab") as log:
        while True:
            subprocess.run(["bash", script], env=os.environ | variables, stdout=log, stderr=log)
            if not again.exists():
                break
            again.unlink()
    Path(STATE, f"{name}.state").write_text("COMPLETED")


def srun(*words: str) -> None:
    command = [word for word in words if not word.startswith("--")]
    while command[0] != sys.executable:  # values of options
        command = command[1:]
    os.execv(command[0], command)


def sacct(*_: str) -> None:
    print("JobID|State|NodeList")
    for path in sorted(STATE.glob("*.state")):
        print(f"{path.stem}|{path.read_text()}|here")


def scontrol(verb: str, name: str) -> None:
    assert verb == "requeue"
    Path(STATE, f"{name}.requeue").touch()


def install(folder: Path) -> None:
    """Puts the commands into a folder for $PATH."""
    for name in ("sbatch", "srun", "sacct", "scontrol"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        path.chmod(0o755)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
