"""The main path from a command to its record, through the command line."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from electralab.cli import main
from electralab.timing import MATRIX_RATE, TIMING_METRICS
from tests.conftest import TINY, write_corpus

NAMES = ["eval_loss", "eval_mlm_loss", "eval_disc_loss", "eval_gen_accuracy", "eval_disc_accuracy"]
NAMES += ["eval_disc_balanced_accuracy", "eval_disc_precision", "eval_disc_recall"]
NAMES += ["eval_replaced_rate", "eval_probe_auc", "eval_disc_auc", "loss", "mlm_loss", "disc_loss"]
NAMES += ["gen_accuracy", "disc_accuracy", "disc_balanced_accuracy", "replaced_rate"]


def command(corpus: Path, *more: str) -> list[str]:
    return ["data=text", f"data.path={corpus}", *TINY, *more]


def runs(folder: Path, name: str = "rtd") -> list[Path]:
    return sorted(path for path in (folder / "outputs" / name).iterdir() if path.is_dir())


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def untimed(metrics: dict) -> dict:
    return {name: value for name, value in metrics.items() if name not in TIMING_METRICS}


def weights_hash(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_a_run_leaves_all_that_it_promises(corpus, here, capsys):
    assert main(command(corpus, "seed=3")) == 0
    [run] = runs(here)
    present = {path.name for path in run.iterdir()}
    files = {"config.yaml", "overrides.yaml", "run.json", "run.log", "summary.json"}
    files |= {"data.json", "data.png", "history.json", "provenance.json", "tracking.jsonl"}
    assert present == files | {"checkpoints", "model"}
    summary = summary_of(run)
    assert summary["status"] == "FINISHED" and summary["task"] == "rtd"
    assert run.name.endswith(summary["signature"]) and summary["seconds"] > 0
    assert set(NAMES) <= set(summary["metrics"])
    assert len(summary["data_fingerprint"]) == 64
    assert yaml.safe_load((run / "config.yaml").read_text())["seed"] == 3
    assert "seed=3" in yaml.safe_load((run / "overrides.yaml").read_text())
    assert not list(run.rglob("*.bin")) and not list(run.rglob("training_args*"))

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    record = client.get_run(summary["run_id"])
    assert record.info.status == "FINISHED"
    assert record.data.params["task.mask_prob"] == "0.15" and record.data.params["seed"] == "3"
    assert not [name for name in record.data.params if name.startswith("hydra")]
    assert record.data.metrics["eval_probe_auc"] == pytest.approx(
        summary["metrics"]["eval_probe_auc"]
    )
    steps = [point.step for point in client.get_metric_history(summary["run_id"], "loss")]
    assert steps == [2, 4, 6]
    artifacts = {item.path for item in client.list_artifacts(summary["run_id"])}
    assert {"previews.json", "config.yaml", "summary.json", "data.json", "data.png"} <= artifacts

    shown = capsys.readouterr().err
    for word in ("original", "masked", "filled in", "doubted", "unigram entropy", "electralab ui"):
        assert word in shown
    assert "electralab predict" in shown and str(run.relative_to(here)) in shown
    says_how_fast_it_was(run, record, shown)


def says_how_fast_it_was(run: Path, record, shown: str) -> None:
    """Every log, the summary, the record and the terminal have it."""
    logs = [log for log in json.loads((run / "history.json").read_text()) if "loss" in log]
    metrics = summary_of(run)["metrics"]
    for numbers in (*logs, metrics, record.data.metrics):
        assert numbers["tokens_per_second"] > 0 and numbers["mfu"] > 0
        assert 0 <= numbers["data_wait"] < 1 and numbers["peak_memory_mb"] > 50
    assert metrics["mfu"] == statistics.median(log["mfu"] for log in logs) and len(logs) == 3
    rate = json.loads((run / "run.json").read_text())[MATRIX_RATE]
    assert rate == round(metrics[MATRIX_RATE]) == int(record.data.tags[MATRIX_RATE]) > 0
    assert re.search(r"device cpu, 1 threads, float32, [\d.,e+]+ GFLOP/s\n", shown)
    assert re.search(r"\n  speed          [\d,]+ tokens/s, \d+ % of .*, .* at most\n", shown)
    assert re.search(r"step 6/6 · train · .* tokens/s · MFU \d+%\n", shown)


def test_the_same_command_gives_the_same_bits_and_another_seed_does_not(corpus, here):
    for seed in (1, 1, 2):
        assert main(command(corpus, f"seed={seed}", "model.dropout=0.1")) == 0
    first, again, other = sorted(runs(here), key=lambda run: run.stat().st_ctime)
    one, two, three = (untimed(summary_of(run)["metrics"]) for run in (first, again, other))
    assert one == two and weights_hash(first) == weights_hash(again)
    assert one["eval_loss"] != three["eval_loss"] and weights_hash(first) != weights_hash(other)


def test_a_killed_run_is_recorded_and_resumes_to_the_same_weights(corpus, here):
    slow = ["trainer.max_steps=60", "trainer.save_steps=1000", "trainer.eval_steps=20"]
    assert main(command(corpus, *slow, "name=straight")) == 0
    [straight] = runs(here, "straight")
    words = [sys.executable, "-m", "electralab", *command(corpus, *slow, "name=cut")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step 20/60 · eval"):
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    [cut] = runs(here, "cut")
    assert summary_of(cut)["status"] == "KILLED"
    assert list((cut / "checkpoints").glob("checkpoint-*"))

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    run_id = summary_of(cut)["run_id"]
    assert client.get_run(run_id).info.status == "KILLED"
    assert main(["resume", run_id[:12]]) == 0
    assert summary_of(cut)["status"] == "FINISHED" and summary_of(cut)["run_id"] == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run_id, "loss")]
    assert steps == sorted(set(steps))
    assert weights_hash(cut) == weights_hash(straight)


def test_a_failing_run_keeps_its_reason(corpus, here, monkeypatch, capsys):
    from electralab.training.trainer import ExperimentTrainer

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(ExperimentTrainer, "compute_loss", fail)
    assert main(command(corpus)) == 1
    [run] = runs(here)
    assert summary_of(run)["status"] == "FAILED"
    assert "the disk is on fire" in (run / "run.log").read_text()
    assert "Traceback" not in capsys.readouterr().err

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    record = client.get_run(summary_of(run)["run_id"])
    assert record.info.status == "FAILED" and "on fire" in record.data.tags["failure"]


def test_without_a_store_everything_else_is_the_same(corpus, here):
    assert main(command(corpus, "tracking=off")) == 0
    [run] = runs(here)
    assert summary_of(run)["status"] == "FINISHED"
    assert not (here / "outputs" / "mlflow.db").exists()
    assert main(["predict", str(run), "a file is returned"]) == 0


def test_an_earlier_run_is_a_model_and_a_tokenizer(corpus, here):
    assert main(command(corpus, "tracking=off")) == 0
    [first] = runs(here)
    other = write_corpus(here.parent / "other.txt", seed=9)
    words = [word for word in command(other, "tracking=off") if not word.startswith("model.")]
    run_id = summary_of(first)["run_id"]
    more = ["model=auto", f"model.name_or_path={run_id}", "name=second", "trainer.max_steps=1"]
    assert main([*words, *more, "trainer.learning_rate=0"]) == 0
    [second] = runs(here, "second")
    assert weights_hash(first) == weights_hash(second)  # a step at rate 0 changes nothing
    assert (first / "model/tokenizer.json").read_text() == (
        second / "model/tokenizer.json"
    ).read_text()


def test_early_stopping_and_the_best_model(corpus, here):
    more = [
        "trainer.early_stopping_patience=1",
        "trainer.load_best_model_at_end=true",
        "trainer.metric_for_best_model=eval_mlm_loss",
        "trainer.greater_is_better=true",  # the loss falls, so the first evaluation stays the best
        "trainer.max_steps=30",
        "trainer.learning_rate=0.01",
    ]
    assert main(command(corpus, *more)) == 0
    [run] = runs(here)
    saved = {path.name for path in (run / "checkpoints").iterdir()}
    assert "checkpoint-3" in saved and "checkpoint-30" not in saved
    model, best, last = (
        load_file(run / name / "model.safetensors")
        for name in ("model", "checkpoints/checkpoint-3", f"checkpoints/{max(saved)}")
    )
    assert all(torch.equal(model[name], tensor) for name, tensor in best.items())
    assert not all(torch.equal(model[name], tensor) for name, tensor in last.items())


def test_padded_rows_train_as_well(corpus, here):
    assert main(command(corpus, "data.packing=none", "tracking=off")) == 0
    [run] = runs(here)
    assert summary_of(run)["metrics"]["eval_mlm_loss"] > 0


def test_a_warm_cache_is_used(corpus, here, capsys):
    assert main(command(corpus, "tracking=off")) == 0
    assert "from the cache" not in capsys.readouterr().err
    start = time.perf_counter()
    assert main(command(corpus, "tracking=off", "seed=5", "task.disc_weight=25")) == 0
    assert "from the cache" in capsys.readouterr().err
    assert time.perf_counter() - start < 60
    os.utime(corpus)
    assert main(command(corpus, "tracking=off")) == 0
    assert "from the cache" not in capsys.readouterr().err


def test_the_log_holds_what_was_shown(corpus, here, capsys):
    assert main(command(corpus, "tracking=off")) == 0
    [run] = runs(here)
    log, shown = (run / "run.log").read_text(), capsys.readouterr().err
    for part in ("data   300 documents", "model  discriminator", "step 2/6 · train", "done in"):
        assert part in log and part in shown
    assert "step 6/6 · eval" in log and "masked: " in log and "electralab export" in log


def test_warnings_reach_the_terminal_and_the_log(tmp_path, capsys):
    from electralab.running.run_log import RunLog

    log = logging.getLogger("electralab.somewhere")
    with RunLog() as run_log:
        log.warning("before there is a folder")
        with run_log.written_to(tmp_path / "run.log"):
            log.warning("after")
            log.info("only for the file")
    assert capsys.readouterr().err == "before there is a folder\nafter\n"
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines] == [
        "before there is a folder",
        "after",
        "only for the file",
    ]


def test_the_commands_to_type_next_work_as_they_are(corpus, here, capsys):
    place = here.parent / "elsewhere"
    words = command(corpus, "seed=4", "task.disc_weight=20", f"output_dir={place}")
    assert main(words) == 0
    shown = capsys.readouterr().err
    listed = [line.strip() for line in shown.partition("\nnext\n")[2].splitlines()]
    ui, fill, doubt, export, sweep = (shlex.split(line)[1:] for line in listed)
    assert ui == ["ui", f"output_dir={place}"]
    assert main(fill) == main(doubt) == main(export) == 0
    capsys.readouterr()
    assert main(["check", *sweep]) == 0
    points = capsys.readouterr().out
    assert points.count("ok ") == 6 and f"data.path={corpus}" in points
    assert "seed=4" not in points and "task.disc_weight=20" not in points


def test_no_record_of_a_run_holds_a_password(tmp_path):
    from electralab.running.folder import describe_run

    uri = "postgresql://me:hunter2@host/db"
    describe_run(
        tmp_path,
        identity={},
        config={"tracking": {"uri": uri}, "trainer": {"hub_token": "hunter2"}},
        overrides=[f"tracking.uri={uri}", "trainer.hub_token=hunter2", "model.tokenizer=train"],
    )
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "hunter2" not in written and "postgresql://***@host/db" in written
    assert "model.tokenizer=train" in written


def test_data_that_cannot_be_used_leaves_no_store(here, capsys):
    (here / "short.txt").write_text("a\n")
    words = [word for word in command(here / "short.txt") if "validation" not in word]
    assert main([*words, "data.split.validation=null", "trainer.eval_strategy=no"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (here / "outputs" / "mlflow.db").exists() and not list(here.glob("outputs/rtd*"))
