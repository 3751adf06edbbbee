"""Jobs beside each other: the same results, whoever is stopped or killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from electralab import cli, machine
from electralab.checking import launcher_checks
from electralab.sweeping import parallel, state, worker
from electralab.sweeping.worker import Place
from tests.sweeping.beside import STEPS, begun, children, is_running, recorded, results, when
from tests.sweeping.conftest import folder

pytest.importorskip("hydra_plugins.hydra_joblib_launcher")

LAUNCHER = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
AT_ONCE = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


def test_jobs_beside_each_other_come_to_the_same(words, straight, capsys):
    assert cli.main(["-m", *words, *STEPS, *AT_ONCE, "name=beside"]) == 0
    assert results("beside") == straight
    assert recorded("beside")[:2] == [("seed=1", "FINISHED"), ("seed=2", "FINISHED")]
    said = capsys.readouterr().err.splitlines()
    assert {"seed=1: started", "seed=2: started"} <= set(said)
    assert any(line.startswith("[2/2] seed=") and "eval_probe_auc 0." in line for line in said)
    assert not any("step 100/300" in line for line in said)  # that is in the job's own log
    logs = [path.read_text() for path in folder("beside").glob("*/run.log")]
    assert all("step 100/300" in log for log in logs)


def test_one_sigterm_stops_all_with_checkpoints_and_the_same_command_goes_on(
    words, straight, capsys
):
    command = ["-m", *words, *STEPS, *AT_ONCE, "name=stopped"]
    when(lambda: begun("stopped") == 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(command) == 143
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "stopped; the same command goes on with the sweep"
    assert {"seed=1: stopped", "seed=2: stopped"} <= set(said)
    assert {status for _, status in recorded("stopped")} == {"KILLED"}
    assert cli.main(command) == 0
    assert results("stopped") == straight
    assert [status for _, status in recorded("stopped")] == ["FINISHED"] * 3
    assert not list(folder("stopped").glob("attempts/*"))


def test_a_killed_worker_harms_no_result(words, straight, capsys):
    def kill() -> None:
        os.kill(children(os.getpid())[0], signal.SIGKILL)

    when(lambda: begun("harmed") == 2, kill)
    assert cli.main(["-m", *words, *STEPS, *AT_ONCE, "name=harmed"]) == 0
    assert "the launcher stopped early" in capsys.readouterr().err
    assert results("harmed") == straight
    assert [status for _, status in recorded("harmed")] == ["FINISHED"] * 3


def test_workers_end_when_the_command_is_killed_and_what_comes_next_waits_for_them(words, straight):
    command = ["-m", *words, *STEPS, *AT_ONCE, "name=orphans"]
    process = subprocess.Popen(
        [sys.executable, "-m", "electralab", *command], stderr=subprocess.DEVNULL
    )
    when(lambda: begun("orphans") == 2 or process.poll() is not None, lambda: None).join()
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    assert cli.main(command) == 0  # at once
    assert not [pid for pid in workers if is_running(pid)]
    assert results("orphans") == straight
    assert [status for _, status in recorded("orphans")] == ["FINISHED"] * 3


def test_a_failure_shows_at_once_and_harms_no_other_job(words, capsys):
    few = [word for word in words if not word.startswith("seed")]
    steps = [*STEPS, "trainer.max_steps=2", "tracking=off", "name=failing"]
    rates = "trainer.learning_rate=1e-3,1e30"  # the weights are no numbers then
    assert cli.main(["-m", *few, *steps, rates, *AT_ONCE]) == 1
    said = capsys.readouterr().err.splitlines()
    assert any(line.startswith("[") and "=1e+30: failed: " in line for line in said)
    statuses = [json.loads(path.read_text())["status"] for path in jobs("failing")]
    assert sorted(statuses) == ["FAILED", "FINISHED"]


def jobs(name: str) -> list[Path]:
    return list(folder(name).glob("*/summary.json"))


# How many, and on what.


def node(**keys):
    return OmegaConf.create({"_target_": LAUNCHER, "n_jobs": 2, "batch_size": "auto", **keys})


@pytest.mark.parametrize(
    ("asked", "jobs", "used"), [(2, 9, 2), (9, 3, 3), (-1, 9, 4), (-2, 9, 3), (-9, 9, 1), (2, 1, 1)]
)
def test_there_are_no_more_workers_than_jobs_or_asked_for(monkeypatch, asked, jobs, used):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    chosen = node(n_jobs=asked)
    where = parallel.place(chosen, jobs=jobs)
    assert chosen.n_jobs == used and chosen.batch_size == "1"
    assert where is None if used == 1 else where.jobs == used


def test_cores_are_shared_out_and_a_number_of_threads_that_is_given_counts(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    where = Place(parent=None, jobs=3)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with parallel.threads_shared(where):
        assert os.environ["OMP_NUM_THREADS"] == "5"
    monkeypatch.delenv("OMP_NUM_THREADS")
    with parallel.threads_shared(where):
        assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in os.environ


def test_each_worker_has_a_device_of_its_own_as_long_as_there_are_some(tmp_path):
    where = Place(parent=1, jobs=3, devices=("0", "2"))
    held = [worker._take_device(where, tmp_path) for _ in range(4)]
    assert sorted(device for device, _ in held) == ["0", "0", "2", "2"]
    assert {device for device, _ in held[:2]} == {"0", "2"}
    held[1][1].release()  # as a process that ends
    assert worker._take_device(where, tmp_path)[0] == held[1][0]


@pytest.mark.parametrize(
    ("visible", "found"),
    [("0,3", ("0", "3")), ("1", ()), ("", ()), ("GPU-a,GPU-b", ("GPU-a", "GPU-b"))],
)
def test_devices_are_those_that_may_be_seen(monkeypatch, visible, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert parallel.devices() == found


def test_one_device_is_nobody_s(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for number in (0, 1, 3):
        monkeypatch.setattr("torch.cuda.device_count", lambda number=number: number)
        assert len(parallel.devices()) == (number if number > 1 else 0)


def test_no_jobs_at_once_is_refused_before_anything_is_made(here, capsys):
    assert cli.main(["-m", "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"]) == 2
    assert "`hydra.launcher.n_jobs`" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_a_launcher_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [line] = launcher_checks.problems(node())
    assert "electralab[parallel]" in line


def test_the_second_signal_stops_at_once(tmp_path):
    from electralab.errors import Interrupted

    with pytest.raises(Interrupted) as caught, parallel.stoppable(tmp_path):
        os.kill(os.getpid(), signal.SIGINT)
        while not state.is_stopped(tmp_path, running=True):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            time.sleep(0.01)
    assert caught.value.exit_status == 143
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
