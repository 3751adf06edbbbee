"""Ctrl-C and SIGTERM at every stage of a run: what stops, what is kept, what the status is."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from electralab.cli import main
from electralab.data import build
from electralab.errors import Interrupted
from electralab.running import report
from electralab.training.signals import StopOnSignal
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY


def command(corpus: Path, *more: str) -> list[str]:
    return ["data=text", f"data.path={corpus}", *TINY, "tracking=off", *more]


def runs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("outputs/rtd/*") if path.is_dir())


def status_of(run: Path) -> str:
    return json.loads((run / "summary.json").read_text())["status"]


def checkpoints(run: Path) -> set[str]:
    return {path.name for path in (run / "checkpoints").iterdir()}


def send(monkeypatch, place, name: str, *numbers: int, at: int = 1, unless=None) -> list[int]:
    """Sends signals to this process at a call of a function; returns the list of its calls."""
    function, calls = getattr(place, name), []

    def sending(*args, **kwargs):
        if unless is None or not unless(*args):
            calls.append(len(calls) + 1)
            if len(calls) == at:
                for number in numbers:
                    os.kill(os.getpid(), number)
        return function(*args, **kwargs)

    monkeypatch.setattr(place, name, sending)
    return calls


def test_one_ctrl_c_ends_the_step_saves_a_checkpoint_and_stops(corpus, here, monkeypatch, capsys):
    steps = send(monkeypatch, ExperimentTrainer, "compute_loss", signal.SIGINT, at=4)
    assert main(command(corpus)) == 130
    [run] = runs(here)
    assert status_of(run) == "KILLED" and len(steps) == 4
    assert checkpoints(run) == {"checkpoint-3", "checkpoint-4"}
    assert not (run / "model").exists()
    shown = capsys.readouterr().err
    assert "electralab resume" in shown.splitlines()[-1] and "Traceback" not in shown


def test_a_second_ctrl_c_stops_at_once(corpus, here, monkeypatch):
    send(monkeypatch, ExperimentTrainer, "compute_loss", signal.SIGINT, signal.SIGINT, at=5)
    assert main(command(corpus)) == 130
    [run] = runs(here)
    assert status_of(run) == "KILLED" and checkpoints(run) == {"checkpoint-3"}


def test_while_data_is_prepared_a_signal_stops_at_once_and_leaves_no_run(
    corpus, here, monkeypatch, capsys
):
    send(monkeypatch, build, "build", signal.SIGTERM)
    words = [word for word in command(corpus) if word != "tracking=off"]
    assert main(words) == 143
    assert not runs(here) and not (here / "outputs" / "mlflow.db").exists()
    assert not list((here / "outputs" / "cache" / "prepared").glob("*.tmp"))
    assert "Traceback" not in capsys.readouterr().err


def test_in_the_final_evaluation_a_signal_stops_at_once_and_resume_only_evaluates(
    corpus, here, monkeypatch
):
    words = command(corpus, "trainer.eval_strategy=no")
    with monkeypatch.context() as patch:
        send(patch, ExperimentTrainer, "evaluation_loop", signal.SIGTERM)
        assert main(words) == 143
    [run] = runs(here)
    assert status_of(run) == "KILLED" and "checkpoint-6" in checkpoints(run)
    weights = (run / "model" / "model.safetensors").read_bytes()
    steps = send(monkeypatch, ExperimentTrainer, "training_step")
    assert main(["resume", str(run)]) == 0
    assert status_of(run) == "FINISHED" and not steps
    assert (run / "model" / "model.safetensors").read_bytes() == weights
    metrics = json.loads((run / "summary.json").read_text())["metrics"]
    assert {"loss", "eval_mlm_loss"} <= set(metrics)
    assert main(words) == 0
    [straight] = [other for other in runs(here) if other != run]
    other = json.loads((straight / "summary.json").read_text())["metrics"]
    assert other["eval_loss"] == metrics["eval_loss"] and other["loss"] == metrics["loss"]


@pytest.mark.parametrize("stage", ["training", "summary"])
def test_a_signal_ends_the_whole_sweep(corpus, here, monkeypatch, stage):
    place = {"training": (ExperimentTrainer, "compute_loss"), "summary": (report, "summarise")}
    send(monkeypatch, *place[stage], signal.SIGINT)
    assert main(["-m", *command(corpus, "seed=1,2")]) == 130
    [run] = here.glob("outputs/rtd/sweep-*/[0-9a-f]*")
    # Where all but the record is done, the run is brought to its end.
    assert status_of(run) == {"training": "KILLED", "summary": "FINISHED"}[stage]


def test_the_checkpoint_of_a_signal_outlives_the_limit_of_saved_ones(corpus, here, monkeypatch):
    best = [
        "trainer.load_best_model_at_end=true",
        "trainer.metric_for_best_model=eval_mlm_loss",
        "trainer.save_total_limit=1",
    ]
    send(monkeypatch, ExperimentTrainer, "compute_loss", signal.SIGINT, at=5)
    assert main(command(corpus, *best)) == 130
    [run] = runs(here)
    assert checkpoints(run) == {"checkpoint-3", "checkpoint-5"}
    assert main(["resume", str(run)]) == 0


def test_a_noted_signal_raises_when_it_is_safe():
    with StopOnSignal() as signals:
        signals.hold()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            signals.release()
    assert caught.value.exit_status == 143
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 7), (signal.SIGTERM, 143)])
def test_a_forked_worker_leaves_ctrl_c_to_the_run_and_obeys_sigterm(number, status):
    with StopOnSignal():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), number)
            os._exit(7)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert (128 - code if code < 0 else code) == status
