"""Two processes for one run are one run: its numbers, its record, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from electralab import processes
from electralab.cli import main
from electralab.errors import Interrupted, RunFailure, UserError
from electralab.timing import TIMING_METRICS
from electralab.training import together
from electralab.training.sampler import ProcessBatches
from tests.conftest import TINY, write_corpus
from tests.tasks import classifying, translating

SCRIPT = Path(__file__).with_name("launched.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
STEPS = ["model.dropout=0", "trainer.logging_steps=1", "trainer.max_steps=9"]
OFF = "tracking=off"
RTD = ["data=text", "data.path=corpus.txt", *TINY]
# 61 rows of classes to train on: in step 8 one is left over for two processes that accumulate.
TASKS = {
    "rtd": [*RTD, "data.packing=none", *STEPS],
    "mlm": ["task=mlm", *RTD[:2], *(word for word in TINY if "generator" not in word), *STEPS, OFF],
    "classification": [*classifying.words("rows.csv"), *STEPS, OFF],
    "translation": [*translating.words("pairs.jsonl"), *STEPS, OFF],
    "phases": [*RTD, "task.phases=[{length:16,share:0.5},{length:32,share:0.5}]", *STEPS, OFF],
}
LONG = [
    *RTD,
    "data.packing=none",
    "model.dropout=0.1",
    "trainer.max_steps=60",
    "trainer.save_steps=1000",
]
LONG += ["trainer.eval_steps=20", "trainer.logging_steps=20", OFF]
SKIPPING = [*RTD, *STEPS, OFF, "data.packing=none", "name=skipping", "trainer.on_nan=skip"]
SKIPPING.append("trainer.gradient_accumulation_steps=2")


def sized(task: str, name: str, size: int, accumulated: int = 1) -> list[str]:
    words = [*TASKS[task], f"name={task}-{name}"]
    words.append(f"trainer.per_device_train_batch_size={size}")
    return [*words, f"trainer.gradient_accumulation_steps={accumulated}"]


def launch(folder: Path, commands: list[list[str]], name: str, **hurt: str) -> SimpleNamespace:
    """Runs commands in two processes; returns what they showed and how each ended."""
    job = {"commands": commands, "statuses": str(folder / name), **hurt}
    (folder / f"{name}.json").write_text(json.dumps(job))
    start = time.monotonic()
    done = subprocess.run(
        [*TORCHRUN, str(SCRIPT), str(folder / f"{name}.json")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    files = sorted(folder.glob(f"{name}-*.json"))
    return SimpleNamespace(
        shown=done.stderr,
        status=done.returncode,
        statuses=[json.loads(file.read_text()) for file in files],
        seconds=time.monotonic() - start,
    )


def run_of(folder: Path, name: str) -> Path:
    [run] = (path for path in (folder / "outputs" / name).iterdir() if path.is_dir())
    return run


def read(run: Path, name: str = "summary.json") -> dict:
    return json.loads((run / name).read_text())


def untimed(numbers: dict) -> dict:
    return {name: value for name, value in numbers.items() if name not in TIMING_METRICS}


def assert_same_weights(one: Path, other: Path, **tolerance: float) -> None:
    found, expected = (load_file(run / "model" / "model.safetensors") for run in (one, other))
    torch.testing.assert_close(found, expected, **tolerance)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of two processes: one of every task, one stopped on the way, one that was not."""
    folder = tmp_path_factory.mktemp("processes")
    write_corpus(folder / "corpus.txt", documents=62)
    classifying.write_csv(folder / "rows.csv", classifying.examples(76))
    translating.write_pairs(folder / "pairs.jsonl", 53)
    stopped = launch(folder, [[*LONG, "name=stopped"]], "stop", hurt="stop")
    commands = [SKIPPING, *(sized(task, "two", 4) for task in TASKS)]
    commands.append(sized("classification", "two-accumulated", 2, 2))
    kept = run_of(folder, "stopped")
    before = {"summary": read(kept), "left": sorted(os.listdir(kept / "checkpoints"))}
    commands += [[*LONG, "name=straight"], ["resume", str(kept)]]
    return SimpleNamespace(
        folder=folder,
        stopped=stopped,
        before=before,
        all=launch(folder, commands, "all", hurt="nan"),
    )


@pytest.fixture
def here(runs, monkeypatch):
    monkeypatch.chdir(runs.folder)
    return runs.folder


@pytest.fixture
def several(monkeypatch):
    """Makes this process the main one of two, as far as the launcher's variables go."""
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("task", TASKS)
def test_two_processes_are_one_of_twice_the_batch_and_two_accumulated(runs, here, task):
    assert runs.all.status == 0, runs.all.shown
    names = ["two", "two-accumulated"] if task == "classification" else ["two"]
    for name, size, accumulated in (("one", 8, 1), ("accumulated", 4, 2)):
        assert main(sized(task, name, size, accumulated)) == 0
        one = run_of(here, f"{task}-{name}")
        for two in (run_of(here, f"{task}-{other}") for other in names):
            logs = zip(read(two, "history.json"), read(one, "history.json"), strict=True)
            for found, expected in logs:
                found, expected = ({**untimed(log), "epoch": 0} for log in (found, expected))
                assert found == pytest.approx(expected, rel=1e-5), expected["step"]
            found, expected = (untimed(read(run)["metrics"]) for run in (two, one))
            assert found == pytest.approx(expected, rel=1e-5)
            assert_same_weights(two, one, rtol=1e-5, atol=1e-6)


def test_they_leave_one_run_with_the_files_of_one_process(runs, here):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    for name in ("two", "one"):
        if name == "one" and not (here / "outputs" / "rtd-one").exists():
            assert main(sized("rtd", "one", 8)) == 0
        experiment = client.get_experiment_by_name(f"rtd-{name}")
        [record] = client.search_runs([experiment.experiment_id])
        assert record.info.status == "FINISHED"
        assert record.info.run_id == read(run_of(here, f"rtd-{name}"))["run_id"]
        steps = [point.step for point in client.get_metric_history(record.info.run_id, "loss")]
        assert steps == list(range(1, 10))
    files = []
    for name in ("two", "one"):
        run = run_of(here, f"rtd-{name}")
        found = (str(path.relative_to(run)) for path in run.rglob("*"))
        # What dropout draws from and what was summed up since a log is each process's own.
        files.append({re.sub(r"(rng_state|window)_\d", r"\1", path) for path in found})
    assert files[0] == files[1]
    assert not list(here.glob("outputs/*/*/.*")) and not list(here.glob("hydra*"))


def test_one_process_speaks(runs):
    assert runs.all.shown.count("data   62 documents\n") == 1  # prepared once, then from the cache
    assert runs.all.shown.count("step 9/9 · train") == len(TASKS) + 2
    assert "Warning" not in runs.all.shown and "Traceback" not in runs.all.shown


def test_a_stop_of_the_launcher_leaves_one_checkpoint_and_goes_on_to_the_same_weights(runs):
    assert runs.stopped.statuses == [[143], [143]]
    assert runs.before["summary"]["status"] == "KILLED"
    [checkpoint] = runs.before["left"]
    assert 9 <= int(checkpoint.removeprefix("checkpoint-")) < 60  # 7 steps are an epoch
    assert "go on with: torchrun --nproc-per-node=2 -m electralab resume" in runs.stopped.shown
    assert runs.stopped.shown.count("stopping at the next safe point") == 1
    stopped, straight = (run_of(runs.folder, name) for name in ("stopped", "straight"))
    assert read(stopped)["status"] == "FINISHED"
    assert_same_weights(stopped, straight, rtol=0, atol=0)
    found, expected = (untimed(read(run)["metrics"]) for run in (stopped, straight))
    assert found == expected


def test_another_number_of_processes_does_not_go_on(runs, here, capsys):
    run = run_of(here, "stopped")
    finished, model = (run / "summary.json").read_text(), run / "model"
    (run / "summary.json").write_text(json.dumps(runs.before["summary"]))
    model.rename(run / "elsewhere")
    try:
        assert main(["resume", str(run)]) == 2
    finally:
        (run / "elsewhere").rename(model)
        (run / "summary.json").write_text(finished)
    [line] = capsys.readouterr().err.splitlines()
    assert "2 processes" in line and "torchrun --nproc-per-node=2 -m electralab resume" in line


def test_a_loss_that_is_not_finite_in_one_process_is_skipped_by_all(runs, here):
    assert runs.all.status == 0, runs.all.shown
    run = run_of(here, "skipping")
    logs = [log for log in read(run, "history.json") if "learning_rate" in log]
    assert [log["skipped_steps"] for log in logs] == [0, 0, 0, 0, *[1] * 5]
    assert read(run)["metrics"]["skipped_steps"] == 1
    kept = read(run, "bad_batch.json")
    found = [(batch["process"], batch["losses"]["loss"] == "nan") for batch in kept["batches"]]
    assert kept["step"] == 5
    assert found == [(0, False), (0, False), (1, False), (1, True)]


def test_a_process_that_fails_ends_the_run_and_says_why(runs):
    from mlflow.tracking import MlflowClient

    words = [word for word in LONG if word != OFF]
    ended = launch(runs.folder, [[*words, "name=crash"]], "crash", hurt="crash")
    assert ended.status == 1 and ended.seconds < 60  # most of it for imports
    ours = ended.shown.partition("torch/distributed/elastic")[0]
    [line] = (line for line in ours.splitlines() if "on fire" in line)
    assert line.startswith("Process 1 failed: RuntimeError: the disk is on fire (the trace is in ")
    assert "Traceback" not in ours
    run = run_of(runs.folder, "crash")
    assert read(run)["status"] == "FAILED" and read(run)["reason"] in line
    assert 'raise RuntimeError("the disk is on fire")' in (run / "run.log").read_text()
    client = MlflowClient(f"sqlite:///{runs.folder}/outputs/mlflow.db")
    record = client.get_run(read(run)["run_id"])
    assert record.info.status == "FAILED" and "on fire" in record.data.tags["failure"]


CLOSED = RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer")
STOPPED = {"rank": 1, "line": "Interrupted", "trace": "", "status": 143}
MISTAKEN = {"rank": 1, "line": "", "trace": "", "kind": "UserError", "lines": ["`seed` is wrong"]}


@pytest.mark.parametrize(
    ("met", "said", "kind", "text"),
    [
        (CLOSED, None, RunFailure, "ended without a word"),
        (CLOSED, STOPPED, Interrupted, "143"),
        (CLOSED, MISTAKEN, UserError, "`seed` is wrong"),
        (Interrupted(143), MISTAKEN, UserError, "`seed` is wrong"),
        (Interrupted(143), None, Interrupted, "143"),
        (ValueError("of its own"), STOPPED, ValueError, "of its own"),
    ],
)
def test_the_first_reason_is_that_of_all(several, met, said, kind, text):
    store, listening = dist.HashStore(), signal.getsignal(signal.SIGTERM)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        if said:
            dist.distributed_c10d._get_default_store().set(together.WHY, json.dumps(said))
        with pytest.raises(kind, match=text), together.one_reason():
            raise met
    finally:
        signal.signal(signal.SIGTERM, listening)
        dist.destroy_process_group()


def test_a_mistake_is_said_once_and_leaves_nothing(tmp_path):
    """The launcher itself ends with 1 and tells the status of what it started."""
    words = [*TORCHRUN, "-m", "electralab", "task.mask_prob=1.2", "data=text", "data.path=none.txt"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and re.search(r"exitcode\s*: 2 ", done.stderr)
    assert done.stderr.count("`task.mask_prob` must be above 0 and below 1") == 1
    assert done.stderr.count("none.txt") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["-m", *RTD, "seed=1,2"], ["experiment=adapt_then_classify"]], ids=["sweep", "chain"]
)
def test_what_needs_one_process_is_refused(runs, here, several, capsys, words):
    before = sorted(here.rglob("*"))
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("`torchrun` must start one process for a") and "started 2" in line
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("patience", [0.0, 60.0])
def test_another_process_says_what_the_main_one_does_not_end_for(several, monkeypatch, patience):
    monkeypatch.setenv("RANK", "1")
    read_end, write_end = os.pipe()
    child = os.fork()
    if not child:
        sys.__stderr__ = os.fdopen(write_end, "w")
        processes.PATIENCE = patience
        processes.complain(["`seed` is wrong"])
        os._exit(2)
    os.close(write_end)
    if patience:
        os.kill(child, signal.SIGTERM)  # as the launcher does when the main process has failed
    said = os.read(read_end, 100)
    os.waitpid(child, 0)
    assert said == (b"" if patience else b"`seed` is wrong\n")


def test_each_process_has_a_dropout_of_its_own_by_the_seed(several, monkeypatch):
    drawn = []
    for rank, seed in ((0, 7), (1, 7), (1, 7), (1, 8)):
        monkeypatch.setenv("RANK", str(rank))
        torch.manual_seed(7)
        together.draw_apart(seed)
        drawn.append(torch.rand(4).tolist())
    torch.manual_seed(7)
    assert drawn[0] == torch.rand(4).tolist()
    assert drawn[1] == drawn[2] and drawn[0] != drawn[1] != drawn[3]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 57])
@pytest.mark.parametrize("number", [2, 3])
def test_the_batches_of_all_processes_are_those_of_one(count, number):
    order = list(range(100, 100 + count))
    parts = [
        ProcessBatches(order, batch_size=4, processes=number, rank=rank) for rank in range(number)
    ]
    together = 4 * number
    assert {len(part) for part in parts} == {-(-count // together)}
    for step, batches in enumerate(zip(*parts, strict=True)):
        last = step == len(parts[0]) - 1
        counted = [
            example
            for part, batch in zip(parts, batches, strict=True)
            if not (last and part.idle)
            for example in batch
        ]
        assert counted == order[step * together : (step + 1) * together]
        assert all(batches) and max(map(len, batches)) <= 4
