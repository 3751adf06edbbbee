"""Sweeps and runs as their folders hold them."""

from __future__ import annotations

import json

import pytest

from electralab.comparing.direction import direction, telling
from electralab.comparing.folders import curve
from electralab.comparing.settings import differing
from electralab.comparing.sweeps import from_runs, from_sweep, state
from electralab.errors import UserError
from tests.comparing.sweep_folders import points, write_run, write_sweep

GRID = points(task__disc_weight=[10, 50], seed=[0, 1])


def test_a_sweep_is_read_with_what_failed_was_pruned_and_has_not_run(tmp_path):
    jobs = {
        0: {"status": "FAILED", "reason": "RuntimeError:\n no memory"},
        1: {"status": "PRUNED", "reason": "worse than the median"},
        2: None,
    }
    comparison = from_sweep(write_sweep(tmp_path, GRID, jobs=jobs))
    failed, pruned, waiting, finished = comparison.results
    assert [run.status for run in comparison.results] == ["FAILED", "PRUNED", "NOT RUN", "FINISHED"]
    assert failed.reason == "RuntimeError: no memory"
    assert pruned.metrics == {}  # of fewer steps than those of the others
    assert waiting.run_id == "" and waiting.label == "00000003"
    assert finished.metrics["eval_probe_auc"] > 0 and finished.settings == GRID[3]
    assert comparison.keys == ["task.disc_weight", "seed"]
    assert state(comparison) == "4 jobs: 1 finished, 1 failed, 1 pruned, 1 not run"


@pytest.mark.parametrize(("sweep", "job"), [("RUNNING", "UNFINISHED"), ("KILLED", "KILLED")])
def test_a_job_that_has_not_said_how_it_ended(tmp_path, sweep, job):
    folder = write_sweep(tmp_path, GRID, jobs={1: {"status": None}}, status=sweep)
    assert from_sweep(folder).results[1].status == job


def test_numbers_that_are_none_are_left_out(tmp_path):
    odd = {"eval_probe_auc": 0.7, "eval_loss": float("nan"), "bad": None, "text": "x", "yes": True}
    [run] = from_sweep(write_sweep(tmp_path, [{"seed": 0}], jobs={0: {"metrics": odd}})).results
    assert run.metrics == {"eval_probe_auc": 0.7}


@pytest.mark.parametrize("content", ["", "[]", '{"points": 3}', '{"points": []}'])
def test_a_damaged_record_is_one_line(tmp_path, content):
    folder = write_sweep(tmp_path, GRID)
    (folder / "sweep.json").write_text(content)
    with pytest.raises(UserError, match=r"sweep\.json is damaged"):
        from_sweep(folder)


def test_a_curve_comes_from_the_history_or_else_the_newest_checkpoint(tmp_path):
    folder = write_sweep(tmp_path, [{"seed": 0}])
    job = folder / "00000001"
    [run] = from_sweep(folder).results
    assert [step for step, _ in run.curve("eval_probe_auc")] == [40, 80, 120, 160, 200]
    (job / "history.json").unlink()
    for step, value in ((2, 0.5), (10, 0.6)):
        checkpoint = job / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        log = [{"step": 1, "loss": 9.0}, {"step": step, "loss": value}]
        (checkpoint / "trainer_state.json").write_text(json.dumps({"log_history": log}))
    [run] = from_sweep(folder).results
    assert run.curve("loss") == [(1, 9.0), (10, 0.6)]
    assert run.curve("eval_probe_auc") == []


def test_the_last_value_of_a_step_counts_and_nan_does_not():
    logs = [{"step": 2, "loss": 3}, {"step": 2, "loss": 2.5}, {"step": 1, "loss": float("nan")}]
    assert curve(logs, "loss") == [(2, 2.5)]


def test_keys_that_change_together_are_one_and_seed_stands_for_itself():
    runs = [
        {"seed": 0, "model.hidden_size": 16, "model.layers": 1, "task.mask_prob": 0.15, "a": 1},
        {"seed": 1, "model.hidden_size": 32, "model.layers": 2, "task.mask_prob": 0.15, "a": 1},
        {"seed": 1, "model.hidden_size": 16, "model.layers": 1, "task.mask_prob": 0.25},
    ]
    keys, together = differing(runs)
    assert keys == ["seed", "model.hidden_size", "task.mask_prob"]
    assert together == {"model.hidden_size": ["model.layers"], "task.mask_prob": ["a"]}
    assert differing(runs[:1]) == ([], {})


def test_runs_of_other_name_place_and_store_differ_in_their_settings_alone(tmp_path):
    from electralab.comparing.finding import _of_folder

    found = []
    for seed, name in ((0, "a"), (1, "b")):
        config = {"name": name, "output_dir": name, "resume": None, "objective": None}
        config |= {
            "seed": seed,
            "task": {"name": "rtd", "disc_weight": 50.0, "preview_steps": seed},
        }
        config |= {"tracking": {"mode": name}}
        folder = write_run(tmp_path / name, config=config, metrics={"eval_accuracy": 0.5})
        found.append(_of_folder(folder))
    assert from_runs(found, title="").keys == ["seed"]


@pytest.mark.parametrize(
    ("metric", "wanted"),
    [
        ("eval_probe_auc", "max"),
        ("eval_perplexity", "min"),
        ("test_ter", "min"),
        ("test_bleu", "max"),
        ("finetune.test_accuracy", "max"),
        ("finetune.test_loss", "min"),
        ("gain.eval_mlm_loss", "min"),
        ("gain.test_f1", "max"),
        ("tokens_per_second", "max"),
        ("mfu", "max"),
        ("data_wait", "min"),
        ("peak_memory_mb", "min"),
        ("train_samples_per_second", "max"),
        ("seconds", "min"),
        ("eval_runtime", "min"),
        ("eval_mse", "min"),
        ("eval_matthews", "max"),
        ("finetune.test_accuracy_sd", "min"),
        ("eval_interest", "max"),  # `ter` inside a word
    ],
)
def test_the_direction_of_a_metric(metric, wanted):
    assert direction(metric) == wanted


def test_the_metric_that_tells_runs_apart_without_an_objective():
    assert telling(["loss", "eval_loss", "eval_disc_auc", "eval_probe_auc"]) == "eval_probe_auc"
    assert telling(["gain.test_f1", "finetune.test_accuracy"]) == "finetune.test_accuracy"
    assert telling([]) is None
