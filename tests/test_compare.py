"""`electralab compare`, from the command line, on sweeps and runs that were written by hand."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from electralab.cli import main
from electralab.config import TrackingConfig
from electralab.tracking.run import tracked_run
from electralab.tracking.store import open_store
from tests.comparing.sweep_folders import measured, points, write_run, write_sweep

GRID = points(task__disc_weight=[10, 50], seed=[0, 1, 2])
OFF = "tracking=off"


@pytest.fixture
def out(here) -> Path:
    return here / "outputs"


def said(capsys, *words: str, status: int = 0) -> tuple[str, str]:
    assert main(["compare", *words]) == status
    found = capsys.readouterr()
    return found.out, found.err


def refused(capsys, *words: str) -> str:
    out, err = said(capsys, *words, status=2)
    assert not out and err.count("\n") == 1, err
    return err


def test_no_word_is_the_newest_sweep(out, capsys):
    import os

    old = write_sweep(out, GRID, name="old", sweep_id="11111111")
    write_sweep(out, GRID, name="new", sweep_id="22222222")
    os.utime(old / "sweep.json", (1, 1))
    table, chatter = said(capsys, OFF)
    assert table.startswith("new, sweep 22222222") and "★" in table
    assert chatter == "6 jobs: 6 finished\n"


@pytest.mark.parametrize(
    "word",
    ["outputs/lambda/sweep-ab12cd34", "lambda/sweep-ab12cd34", "ab12cd34", "ab1", "fff", "lambda"],
)
def test_a_sweep_by_folder_id_parent_run_and_name(out, capsys, word):
    write_sweep(out, GRID)
    write_sweep(out, GRID, name="another", sweep_id="99999999", run_id="e" * 32)
    table, _ = said(capsys, word, OFF)
    assert "lambda, sweep ab12cd34" in table and "0.7" in table


def test_several_sweeps_of_a_name_are_listed(out, capsys):
    for sign in ("11111111", "11112222"):
        write_sweep(out, GRID, sweep_id=sign)
    for word in ("lambda", "1111"):
        message = refused(capsys, word, OFF)
        assert "2 sweeps" in message and "lambda/sweep-11112222" in message


def configured(out: Path, **settings) -> dict:
    task = {"name": "rtd", "mask_prob": 0.15} | settings.pop("task", {})
    return {"name": "rtd", "seed": 0, "output_dir": str(out), "task": task} | settings


def write_runs(out: Path) -> list[Path]:
    found = []
    for number, (probability, seed) in enumerate([(0.15, 0), (0.15, 1), (0.25, 0), (0.25, 1)]):
        config = configured(out, seed=seed, task={"mask_prob": probability})
        metrics = measured({"task.mask_prob": probability, "seed": seed})
        folder = out / "rtd" / f"2026-01-0{number + 1}_10-00-00-aaaaaaa{number}"
        write_run(folder, run_id=f"{number + 1}" * 32, config=config, metrics=metrics)
        found.append(folder)
    return found


def test_runs_are_compared_by_the_settings_in_which_they_differ(out, capsys):
    runs = write_runs(out)
    for words in ([], ["rtd"], [str(runs[0]), "2222", "33", str(runs[3])]):
        table, _ = said(capsys, *words, OFF)
        assert "mask_prob" in table and table.count(" ± ") >= 4
        assert "no objective was set" in table
    table, _ = said(capsys, "1111", OFF)
    assert "1 run of 1111" in table


def test_a_sweep_beside_a_run(out, capsys):
    write_runs(out)
    jobs = {
        index: {"run_id": f"a{index}" * 16, "config": configured(out, task={"mask_prob": p})}
        for index, p in enumerate((0.3, 0.4))
    }
    write_sweep(out, points(task__mask_prob=[0.3, 0.4]), jobs=jobs)
    table, chatter = said(capsys, "ab12cd34", "1111", OFF)
    assert "3 runs: 3 finished" in chatter
    assert {"0.15", "0.3", "0.4"} <= set(table.split())


def test_a_run_that_two_sweeps_share_counts_once(out, capsys):
    runs = write_runs(out)
    again = out / "rtd" / "2026-01-09_10-00-00-aaaaaaa9"  # the settings and seed of the first
    config = configured(out, seed=0, task={"mask_prob": 0.15})
    write_run(again, run_id="9" * 32, config=config, metrics={"eval_probe_auc": 0.9})
    unfinished = out / "rtd" / "2026-01-10_10-00-00-aaaaaaa9"
    write_run(unfinished, run_id="8" * 32, config=config, status="FAILED")
    table, chatter = said(capsys, "rtd", OFF)
    first, other = (json.loads((run / "summary.json").read_text())["metrics"] for run in runs[:2])
    mean = (0.9 + other["eval_probe_auc"]) / 2
    assert f"{mean:.4f} ± " in table and f"{first['eval_probe_auc']:.4f}" not in table
    assert "4 runs: 4 finished; 2 more with equal settings" in chatter


def test_a_sweep_that_is_still_running(out, capsys):
    jobs = {4: {"status": None}, 5: None}
    write_sweep(out, GRID, jobs=jobs, status="RUNNING")
    table, chatter = said(capsys, OFF)
    assert "1 of 3" in table
    assert chatter == "6 jobs: 4 finished, 1 unfinished, 1 not run\n"


def test_files_are_written_and_a_dash_is_standard_output(out, here, capsys):
    write_sweep(out, GRID)
    table, chatter = said(capsys, OFF, "--csv", "a.csv", "--md", "a.md", "--html", "a.html")
    assert "★" in table and "written to a.csv" in chatter
    assert (here / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert (here / "a.md").read_text().count("\n|") >= 4
    stdout, chatter = said(capsys, OFF, "--csv", "-")
    assert stdout == (here / "a.csv").read_text() and "★" in chatter
    assert len(list(csv.DictReader(io.StringIO(stdout)))) == 2
    assert "written" not in chatter


def test_a_metric_that_is_asked_for_is_shown_and_ranks(out, capsys):
    auc = {10: 0.6, 50: 0.7}

    def metrics(point):
        return measured(point) | {"eval_ter": auc[point["task.disc_weight"]]}

    write_sweep(out, GRID, metrics=metrics)
    table, _ = said(capsys, OFF, "--metric", "eval_ter", "--metric", "tokens_per_second")
    assert "eval_ter (lower is better)" in table and "eval_probe_auc" not in table
    [best] = [line for line in table.splitlines() if line.lstrip().startswith("★  ")]
    assert best.split()[1] == "10"


def test_a_difference_is_tested_over_paired_seeds(out, capsys):
    write_sweep(out, GRID, metrics=lambda p: {"eval_probe_auc": 0.5 + p["task.disc_weight"] / 1e3})
    table, _ = said(capsys, OFF, "--test", "task.disc_weight=10,50")
    assert "task.disc_weight=50 less task.disc_weight=10" in table
    assert "mean difference +0.0400 ± 0.0000, over 3 seeds" in table
    table, _ = said(capsys, OFF, "--test", "task.disc_weight=50,10", "--metric", "eval_probe_auc")
    assert "mean difference -0.0400" in table


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--metric", "eval_prob_auc"], ["--metric", "did you mean `eval_probe_auc`"]),
        (["--metric", "eval_runtime"], ["--metric", "`eval_runtime`"]),
        (["--test", "task.disc_weigth=10,50"], ["--test", "did you mean `task.disc_weight`"]),
        (["--test", "task.disc_weight=10,99"], ["--test", "10, 50"]),
        (["nothing_like_it"], ["`nothing_like_it`"]),
        (["eeee"], ["`eeee`"]),
        (["--csv", "no/such/folder.csv"], ["FILE", "no/such/folder.csv"]),
        (["--csv", "-", "--md", "-"], ["Only one of"]),
        (["--cvs", "a.csv"], ["--cvs", "--help"]),
        (["../outside"], ["`../outside`"]),
        (["*"], ["`*`"]),
        ([""], ["``"]),
        (["lambda/sweep-00000000"], ["is damaged"]),
    ],
)
def test_a_mistake_is_one_line(out, capsys, words, parts):
    write_sweep(out, GRID)
    broken = write_sweep(out, GRID, sweep_id="00000000")
    (broken / "sweep.json").write_text("{")
    here = "lambda/sweep-ab12cd34"
    sweep = [here] if words[0].startswith("--") else []
    assert main(["compare", *sweep, *words, OFF]) == 2
    *before, line = capsys.readouterr().err.splitlines()
    assert not before or words[0] == "--csv"  # whose file is tried last
    for part in parts:
        assert part in line


def test_nothing_to_compare(out, capsys):
    assert "nothing to compare" in refused(capsys, OFF)
    assert not out.exists()


def test_runs_without_metrics_are_refused(out, capsys):
    write_sweep(out, points(a=[1, 2]), metrics=lambda p: {}, objective=None)
    assert "must have metrics" in refused(capsys, OFF)


def test_a_sweep_in_which_nothing_finished_shows_why(out, capsys):
    jobs = {index: {"status": "FAILED", "reason": "ValueError: no [red] x"} for index in range(6)}
    write_sweep(out, GRID, jobs=jobs)
    table, chatter = said(capsys, OFF)
    assert table.count("ValueError: no [red] x") == 6 and "6 failed" in chatter


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store that knows a sweep, a run and a chain, whose folders are gone."""
    root = tmp_path_factory.mktemp("stored")
    store = open_store(TrackingConfig(mode="local", uri=None), output_dir=root)
    tags = {
        "sweep_id": "ab12cd34", "sweep": "parent", "command": "electralab -m …",
        "swept": json.dumps(["task.disc_weight", "seed"]),
        "objective": json.dumps([{"metric": "eval_probe_auc", "direction": "max"}]),
    }  # fmt: skip
    with tracked_run(store, experiment="lambda", run_name="sweep", params={}, tags=tags) as parent:
        pass
    for index, point in enumerate(points(task__disc_weight=[10, 50], seed=[0, 1])):
        tags = {
            "mlflow.parentRunId": parent.run_id, "sweep_id": "ab12cd34",
            "signature": f"{index:08x}", "point": json.dumps(point), "seconds": 12.5,
        }  # fmt: skip
        params = configured(root, seed=point["seed"])
        params["task"] |= {"disc_weight": point["task.disc_weight"]}
        where = {"experiment": "lambda", "run_name": "job", "params": params, "tags": tags}
        try:
            with tracked_run(store, **where) as run:
                if index == 3:
                    raise RuntimeError("no memory")
                run.log_metrics({"eval_probe_auc": 0.5, "loss": 9.0, "baseline_x": 1.0}, 10)
                run.log_metrics({"eval_probe_auc": 0.6 + index / 100, "loss": 8.0}, 20)
        except RuntimeError:
            continue
    return root, parent.run_id


def test_a_sweep_from_a_store_alone(stored, here, capsys):
    root, parent = stored
    for word in ("ab12cd34", parent, parent[:9]):
        table, chatter = said(capsys, word, f"output_dir={root}")
        assert "0.6050 ± 0.0071" in table and "0.6200" in table and "12.5s" in table
        assert "failed: task.disc_weight=50 seed=1: RuntimeError: no memory" in table
        assert "baseline" not in table and "4 jobs: 3 finished, 1 failed" in chatter
    page, _ = said(capsys, "ab12cd34", "--html", "-", f"output_dir={root}")
    assert page.count("data:image/png") == 2  # the curves are in the store


def test_jobs_without_a_folder_are_looked_up_in_the_store(stored, here, capsys):
    root, parent = stored
    other = shutil.copytree(root, here / "outputs")
    write_sweep(
        other, points(task__disc_weight=[10, 50], seed=[0, 1]), run_id=parent,
        jobs=dict.fromkeys(range(4)), metrics=lambda p: {},
    )  # fmt: skip
    record = other / "lambda" / "sweep-ab12cd34" / "sweep.json"
    content = json.loads(record.read_text())
    for index, point in enumerate(content["points"]):
        point["signature"] = f"{index:08x}"
    record.write_text(json.dumps(content))
    table, chatter = said(capsys)
    assert "0.6050 ± 0.0071" in table and "4 jobs: 3 finished, 1 failed" in chatter


def test_a_run_of_the_store_whose_folder_is_gone(stored, here, capsys):
    import mlflow

    root, _ = stored
    client = mlflow.MlflowClient(f"sqlite:///{root}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("lambda").experiment_id])
    jobs = [run.info.run_id for run in runs if run.data.tags.get("point")][-2:]  # the first two
    table, _ = said(capsys, *jobs, f"output_dir={root}")
    assert "0.6050 ± 0.0071" in table and "2 runs" in table


def test_a_chain_is_compared_with_chains_and_not_with_the_runs_it_is_made_of(out, capsys):
    for number, (task, learning_rate) in enumerate(
        [("rtd", 1e-3), ("chain", 1e-3), ("classification", 1e-3), ("chain", 1e-2)]
    ):
        folder = out / "adapt" / f"2026-01-0{number}_10-00-00-aaaaaaa{number}"
        config = {"adapt": {"task": {"name": "rtd"}, "trainer": {"learning_rate": learning_rate}}}
        gain = {"finetune.test_f1": 0.5 + number / 10, "gain.test_f1": 0.01}
        metrics = gain if task == "chain" else {"eval_probe_auc": 0.9}
        write_run(folder, config=config, metrics=metrics)
        identity = json.loads((folder / "run.json").read_text()) | {"task": task}
        (folder / "run.json").write_text(json.dumps(identity))
    for words in ([], ["adapt"]):
        table, _ = said(capsys, *words, OFF)
        assert table.startswith("adapt, 2 runs of chain; ranked by finetune.test_f1")
        assert "0.8000" in table and "probe" not in table
