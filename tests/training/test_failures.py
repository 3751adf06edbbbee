"""Failures in unusual places of a training: the exit status, and one line with the reason."""

from __future__ import annotations

import json
import os
import signal

import pytest

from electralab.cli import main
from electralab.data.blocks import TokenBlocks
from electralab.training.progress import LogFile
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY


@pytest.fixture
def words(corpus, here):
    return ["data=text", f"data.path={corpus}", *TINY, "tracking=off", "name=x"]


def run_of(folder):
    [run] = (folder / "outputs" / "x").iterdir()
    return run, json.loads((run / "summary.json").read_text())


def bad(*args, **kwargs):
    raise ValueError("the row is bad")


@pytest.mark.parametrize("place", ["worker", "callback"])
def test_a_failure_in_a_worker_or_a_callback_says_what_it_was(
    words, here, monkeypatch, capsys, place
):
    if place == "worker":
        words = [*words, "trainer.dataloader_num_workers=1", "task.preview_steps=null"]
        monkeypatch.setattr(TokenBlocks, "__getitem__", bad)
    else:
        monkeypatch.setattr(LogFile, "on_step_end", bad)
    assert main(words) == 1
    *_, line = capsys.readouterr().err.splitlines()
    run, summary = run_of(here)
    assert line == f"ValueError: the row is bad (the trace is in {run / 'run.log'})"
    assert summary["status"] == "FAILED" and summary["reason"] == "the row is bad"
    assert "in bad" in (run / "run.log").read_text()


def test_an_impatient_interrupt_in_the_middle_of_the_gradients_is_no_failure(
    words, here, monkeypatch, capsys
):
    compute = ExperimentTrainer.compute_loss

    def interrupted(*args, **kwargs):
        loss = compute(*args, **kwargs)
        loss.register_hook(lambda _: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)][:0])
        return loss

    monkeypatch.setattr(ExperimentTrainer, "compute_loss", interrupted)
    assert main(words) == 130
    assert run_of(here)[1]["status"] == "KILLED" and "Traceback" not in capsys.readouterr().err
