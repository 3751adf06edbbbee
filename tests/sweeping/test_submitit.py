"""Jobs in other places: they outlive a timeout, and a script says what the cluster is to give."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from electralab import cli
from tests.sweeping.beside import STEPS, begun, recorded, results, when
from tests.sweeping.conftest import folder

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")


def tasks(name: str) -> list[int]:
    """The processes that run jobs of a sweep."""
    out = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True).stdout
    mine = f"{Path.cwd()}/outputs/{name}/"
    found = [line.split(None, 1) for line in out.splitlines()]
    return [int(pid) for pid, args in found if "submitit.core._submit" in args and mine in args]


def time_is_over(name: str) -> None:
    """As a cluster says it, to the oldest job."""
    [first, *_] = tasks(name)
    os.kill(first, signal.SIGUSR2)


def logs(name: str) -> str:
    found = (folder(name) / ".submitit").rglob("*_log.*")
    return "\n".join(path.read_text() for path in found)


def test_a_job_whose_time_is_over_goes_on_where_it_was(words, straight, capsys):
    when(lambda: begun("local"), lambda: time_is_over("local"))
    launcher = "hydra/launcher=submitit_local"
    assert cli.main(["-m", *words, *STEPS, launcher, "name=local"]) == 0
    assert results("local") == straight
    assert logs("local").count("Requeued job") == 1
    assert [status for _, status in recorded("local")] == ["FINISHED"] * 3
    assert not list(folder("local").glob("attempts/*"))
    said = capsys.readouterr().err.splitlines()
    assert any(line.startswith("[2/2] seed=") for line in said)
    assert (folder("local") / ".submitit").stat().st_mode & 0o077 == 0


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Slurm's commands; returns where its state lies."""
    monkeypatch.setenv("FAKE_SLURM", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    from tests.sweeping import fake_slurm

    fake_slurm.install(tmp_path)
    return tmp_path


def test_a_sweep_on_slurm(words, straight, cluster, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    launcher = [
        "hydra/launcher=submitit_slurm",
        "hydra.launcher.partition=gpu",
        "hydra.launcher.timeout_min=90",
        "hydra.launcher.gpus_per_node=1",
        "hydra.launcher.array_parallelism=1",
        'hydra.launcher.setup=["export CAREFUL=1"]',
    ]
    when(lambda: begun("slurm"), lambda: time_is_over("slurm"))
    assert cli.main(["-m", *words, *STEPS, *launcher, "name=slurm"]) == 0
    assert results("slurm") == straight
    [again] = re.findall(r"Requeued job 77_\d \((\d+) rem", (cluster / "nodes.log").read_text())
    assert int(again) == 100  # as for what is no timeout: it had 90 minutes
    assert [status for _, status in recorded("slurm")] == ["FINISHED"] * 3
    script = (cluster / "submitted.sh").read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", script, re.MULTILINE))
    assert asked["partition"] == "gpu" and asked["time"] == "90" and asked["nodes"] == "1"
    assert asked["gpus-per-node"] == "1" and asked["ntasks-per-node"] == "1"
    assert asked["array"] == "0-1%1" and asked["signal"] == "USR2@120"
    assert asked["open-mode"] == "append"  # what a job said before it was started again
    assert script.index("export CAREFUL=1") < script.index("srun")
    assert "s3cret" not in script


def test_shell_commands_do_not_come_from_files(here, capsys):
    (here / "own" / "experiment").mkdir(parents=True)
    (here / "own" / "experiment" / "bad.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/launcher: submitit_slurm\n"
        "hydra:\n  launcher:\n    setup: [touch gotcha]\n"
    )
    assert cli.main(["-m", "seed=1,2", "experiment=bad", "--config-dir", "own"]) == 2
    assert "`hydra.launcher.setup` must be typed" in capsys.readouterr().err


def test_a_job_of_several_tasks_is_refused(here, capsys):
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.tasks_per_node=4"]
    assert cli.main(["-m", "seed=1,2", *words]) == 2
    assert "`hydra.launcher.tasks_per_node` must be 1" in capsys.readouterr().err
    assert list(here.iterdir()) == []
