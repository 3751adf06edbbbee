"""Going on with a run: the same end as without a break, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from electralab.cli import main
from electralab.config import validate
from electralab.errors import UserError
from electralab.running import alive
from electralab.running import folder as files
from electralab.running.resuming import find_resumed
from electralab.timing import TIMING_METRICS
from electralab.tracking.journal import iter_entries
from electralab.tracking.run import TrackedRun
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY, write_corpus

# 20 steps an epoch or so: every run below crosses into the second one.
RUN = ["data=text", "data.path=small.txt", *TINY, "model.dropout=0.1", "trainer.max_steps=14"]
RUN += ["trainer.gradient_accumulation_steps=2", "trainer.save_steps=4", "trainer.eval_steps=7"]


@pytest.fixture
def small(here):
    """A corpus of a few steps an epoch, in the folder to run in."""
    return write_corpus(here / "small.txt", documents=60)


def runs(folder: Path, name: str = "rtd") -> list[Path]:
    return sorted(path for path in (folder / "outputs" / name).iterdir() if path.is_dir())


def read(run: Path, name: str = "summary.json") -> dict:
    return json.loads((run / name).read_text())


def metrics_of(run: Path) -> dict:
    found = read(run)["metrics"]
    return {name: value for name, value in found.items() if name not in TIMING_METRICS}


def history_of(run: Path) -> list[dict]:
    return [
        {name: value for name, value in logs.items() if name not in TIMING_METRICS}
        for logs in json.loads((run / "history.json").read_text())
    ]


def weights_of(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


def points_of(run: Path) -> dict[str, list]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run.parents[1]}/mlflow.db")
    run_id = read(run, "run.json")["run_id"]
    names = set(client.get_run(run_id).data.metrics) - TIMING_METRICS
    found = {name: client.get_metric_history(run_id, name) for name in names}
    return {name: sorted((p.step, p.value) for p in points) for name, points in found.items()}


def cut(monkeypatch, words: list[str], *, step: int, folder: Path, name: str) -> Path:
    """Runs a command until a signal comes in some step."""
    with monkeypatch.context() as patch:
        function = ExperimentTrainer.training_step
        count = iter(range(1, 10_000))

        def stepping(trainer, *args, **kwargs):
            if next(count) == 2 * step:  # two batches a step
                os.kill(os.getpid(), signal.SIGTERM)
            return function(trainer, *args, **kwargs)

        patch.setattr(ExperimentTrainer, "training_step", stepping)
        assert main([*words, f"name={name}"]) == 143
    [run] = runs(folder, name)
    assert (run / "checkpoints" / f"checkpoint-{step}").is_dir()
    return run


# At step 7 an evaluation is due, which the signal leaves to the run that goes on.
@pytest.mark.parametrize("step", [2, 7, 13])
def test_a_run_that_was_cut_ends_as_one_that_was_not(small, here, monkeypatch, step):
    assert main([*RUN, "tracking=off", "name=straight"]) == 0
    [straight] = runs(here, "straight")
    state = read(straight, "checkpoints/checkpoint-14/trainer_state.json")
    assert state["epoch"] > 1
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=step, folder=here, name="cut")
    before = {name: (run / name).read_bytes() for name in ("config.yaml", "run.json")}
    assert main(["resume", str(run)]) == 0
    assert weights_of(run) == weights_of(straight)
    assert metrics_of(run) == metrics_of(straight)  # though a window of 2 steps was cut in two
    assert history_of(run) == history_of(straight)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_a_run_that_was_killed_after_its_last_checkpoint_trains_no_further(small, here):
    assert main([*RUN, "tracking=off"]) == 0
    [run] = runs(here)
    weights, metrics = weights_of(run), metrics_of(run)
    shutil.rmtree(run / "model")
    (run / "summary.json").unlink()
    assert main(["resume", str(run)]) == 0
    assert weights_of(run) == weights and metrics_of(run) == metrics


def test_a_damaged_checkpoint_is_passed_over_with_a_line(small, here, capsys):
    assert main([*RUN, "tracking=off"]) == 0
    [run] = runs(here)
    weights, history = weights_of(run), history_of(run)
    shutil.rmtree(run / "model")
    (run / "summary.json").unlink()
    shutil.copytree(run / "checkpoints", here / "whole")
    for checkpoint in (run / "checkpoints").iterdir():
        os.truncate(checkpoint / "optimizer.pt", 99)
    capsys.readouterr()
    assert main(["resume", str(run)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "no other that is whole" in line and "optimizer.pt has 99 bytes" in line
    older = shutil.copytree(run, run.with_name(f"2020{run.name[4:]}"))
    config = validate(yaml.safe_load((run / "config.yaml").read_text()) | {"resume": "auto"})
    assert find_resumed(config, store=None) is None  # which begins a run, and not fails for ever
    shutil.rmtree(older / "checkpoints")
    shutil.copytree(here / "whole", older / "checkpoints")
    assert find_resumed(config, store=None).folder.samefile(older)
    shutil.rmtree(older)
    name = "checkpoint-12/optimizer.pt"
    shutil.copy(here / "whole" / name, run / "checkpoints" / name)
    assert main(["resume", str(run)]) == 0
    shown = capsys.readouterr().err
    for text in (shown, (run / "run.log").read_text()):
        assert "optimizer.pt has 99 bytes" in text
        assert "the run goes on from checkpoint-12" in text
    assert weights_of(run) == weights and history_of(run) == history


def test_what_a_kill_kept_from_the_store_is_there_when_the_run_has_gone_on(
    small, here, monkeypatch
):
    """A run killed before its first checkpoint, and one whose points the store has not got."""
    assert main([*RUN, "name=straight"]) == 0
    [straight] = runs(here, "straight")
    with monkeypatch.context() as patch:

        def stop(*_, **__):
            raise KeyboardInterrupt  # at once, unlike a signal

        patch.setattr(ExperimentTrainer, "_save_checkpoint", stop)
        assert main([*RUN, "name=early"]) == 130
    [early] = runs(here, "early")
    with monkeypatch.context() as patch:
        patch.setattr(TrackedRun, "log_metrics", lambda *_, **__: None)
        late = cut(patch, RUN, step=9, folder=here, name="late")
    assert "loss" not in points_of(late) and not list(early.glob("checkpoints/*"))
    assert main([*RUN, "name=early", "resume=auto"]) == 0 and runs(here, "early") == [early]
    assert main(["resume", str(late)]) == 0
    for run in (early, late):
        assert weights_of(run) == weights_of(straight) and history_of(run) == history_of(straight)
        assert points_of(run) == points_of(straight)


def test_a_run_that_can_be_gone_on_with_has_its_parameters_in_its_folder(small, here, monkeypatch):
    """So that a kill at that moment loses none of them."""
    describe, kept = files.describe_run, {}

    def killed(folder, **given):
        for entry in iter_entries(folder / "tracking.jsonl"):
            kept.update(entry.get("params", {}))
        describe(folder, **given)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "describe_run", killed)
    assert main(RUN) == 130
    assert kept["task.name"] == "rtd" and "trainer.max_steps" in kept


def test_early_stopping_counts_on_after_a_break(small, here, monkeypatch):
    more = ["trainer.early_stopping_patience=2", "trainer.metric_for_best_model=eval_mlm_loss"]
    more += ["trainer.greater_is_better=true", "trainer.eval_steps=2", "tracking=off"]
    more += ["trainer.save_steps=2"]
    assert main([*RUN, *more, "name=straight"]) == 0
    [straight] = runs(here, "straight")
    assert not (straight / "checkpoints/checkpoint-14").exists()
    assert read(straight, "checkpoints/checkpoint-6/trainer_state.json")["global_step"] == 6
    # The evaluation that is left to the run that goes on is the one that stops it.
    run = cut(monkeypatch, [*RUN, *more], step=6, folder=here, name="cut")
    assert main(["resume", str(run)]) == 0
    assert weights_of(run) == weights_of(straight) and history_of(run) == history_of(straight)
    # Killed when its last checkpoint was there, and its model not yet: it trains no further.
    shutil.rmtree(run / "model")
    (run / "summary.json").unlink()
    assert main(["resume", str(run)]) == 0
    assert weights_of(run) == weights_of(straight) and history_of(run) == history_of(straight)


def test_from_another_folder_a_run_goes_on_in_its_own_place(small, here, tmp_path, monkeypatch):
    run = cut(monkeypatch, RUN, step=3, folder=here, name="cut")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run_id = read(run, "run.json")["run_id"]
    assert main(["resume", run_id[:8], f"output_dir={here / 'outputs'}"]) == 0
    assert read(run)["status"] == "FINISHED" and not list(elsewhere.iterdir())

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    assert client.get_run(run_id).info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run_id, "loss")]
    assert steps == sorted(set(steps)) and steps[-1] == 14


def test_a_moved_store_is_the_one_that_is_written_to(small, here, tmp_path, monkeypatch):
    run = cut(monkeypatch, RUN, step=3, folder=here, name="cut")
    moved = tmp_path / "moved"
    (here / "outputs").rename(moved)
    assert main(["resume", str(moved / "cut" / run.name)]) == 0
    assert read(moved / "cut" / run.name)["status"] == "FINISHED"
    assert not (here / "outputs" / "mlflow.db").exists()  # artifacts keep their recorded place


def test_changed_data_is_refused(small, here, monkeypatch, capsys):
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=2, folder=here, name="cut")
    write_corpus(small, documents=61)
    capsys.readouterr()
    assert main(["resume", str(run)]) == 2
    shown = capsys.readouterr().err
    assert "must go on with the data of" in shown and shown.count("\n") == 1
    assert read(run)["status"] == "KILLED"


def test_another_configuration_is_refused_by_run_and_check(small, here, monkeypatch, capsys):
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=2, folder=here, name="cut")
    words = [*RUN, "tracking=off", "name=cut", f"resume={run}"]
    capsys.readouterr()
    for verb in ([], ["check"]):
        assert main([*verb, *words, "trainer.learning_rate=0.1"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert "`trainer.learning_rate` is 0.0005 instead of 0.1" in line
    assert main(words) == 0  # as it was


@pytest.mark.parametrize("name", ["doesnotexist", "abcdef12"])
def test_check_knows_that_there_is_no_such_run(small, here, capsys, name):
    assert main(["check", *RUN, f"resume={name}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("`resume`") and name in line
    assert not (here / "outputs").exists()


def test_a_finished_run_is_left_as_it_is(small, here, capsys):
    assert main([*RUN, "tracking=off", "trainer.max_steps=1"]) == 0
    [run] = runs(here)
    before = (run / "summary.json").read_bytes()
    for words in (["resume", str(run)], [*RUN, "trainer.max_steps=1", f"resume={run}"]):
        capsys.readouterr()
        assert main(words) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert "finished" in line
    assert (run / "summary.json").read_bytes() == before


def test_auto_goes_on_with_the_newest_unfinished_run_or_begins_one(small, here, monkeypatch):
    words = [*RUN, "tracking=off", "resume=auto"]
    run = cut(monkeypatch, words, step=2, folder=here, name="auto")
    assert main([*words, "name=auto"]) == 0
    assert runs(here, "auto") == [run] and read(run)["status"] == "FINISHED"
    assert main([*words, "name=auto"]) == 0
    assert len(runs(here, "auto")) == 2


def test_a_run_that_is_still_running_is_not_gone_on_with(small, here, monkeypatch, capsys):
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=2, folder=here, name="cut")
    config = validate(yaml.safe_load((run / "config.yaml").read_text()) | {"resume": "auto"})
    code = "import sys, pathlib; from electralab.running import alive\n"
    code += f"with alive.marked(pathlib.Path({str(run)!r})): print('on', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline()
    capsys.readouterr()
    assert main(["check", *RUN, "tracking=off", "name=cut", f"resume={run}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"running in process {other.pid}" in line
    assert find_resumed(config, store=None) is None
    with pytest.raises(UserError, match=f"running in process {other.pid}"), alive.marked(run):
        pytest.fail("two processes write into one folder")
    assert alive.who_runs(run).startswith(f"process {other.pid}")
    other.kill()
    other.wait()
    assert find_resumed(config, store=None).folder.samefile(run)


def test_what_is_otherwise_than_when_the_run_began_is_said_and_the_record_kept(
    small, here, monkeypatch, capsys
):
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=2, folder=here, name="cut")
    first = read(run, "provenance.json")
    now, first["packages"]["numpy"] = first["packages"]["numpy"], "0.1"
    (run / "provenance.json").write_text(json.dumps(first))
    capsys.readouterr()
    assert main(["resume", str(run)]) == 0
    assert f"differs: package numpy: {now} now, 0.1 then" in capsys.readouterr().err
    assert read(run, "provenance.json") == first


def test_a_hidden_password_is_asked_for(small, here, monkeypatch, capsys):
    run = cut(monkeypatch, [*RUN, "tracking=off"], step=2, folder=here, name="cut")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["tracking"] = {"mode": "server", "uri": "http://***@localhost:1"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    capsys.readouterr()
    assert main(["resume", str(run)]) == 2
    assert "tracking.uri=…" in capsys.readouterr().err
    assert main(["resume", str(run), "tracking=off"]) == 0
