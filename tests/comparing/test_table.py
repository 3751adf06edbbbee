"""Points over seeds, their order, and the three forms of the table."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import replace

import pytest

from electralab.comparing import table
from electralab.comparing.points import points as points_of
from electralab.comparing.sweeps import from_sweep
from tests.comparing.sweep_folders import points, write_sweep


def values(auc: float, **more: float) -> dict[str, float]:
    return {"eval_probe_auc": auc, "eval_runtime": 3.0, "tokens_per_second": 100.0, **more}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_mean_and_the_standard_deviation_over_seeds_and_the_order(tmp_path):
    aucs = {(10, 0): 0.5, (10, 1): 0.7, (10, 2): 0.9, (50, 0): 0.8, (50, 1): 0.8, (50, 2): 0.83}
    grid = points(task__disc_weight=[10, 50], seed=[0, 1, 2])
    folder = write_sweep(
        tmp_path, grid, metrics=lambda p: values(aucs[p["task.disc_weight"], p["seed"]])
    )
    best, other = points_of(from_sweep(folder))
    assert best.settings == {"task.disc_weight": 50} and best.best and not other.best
    value = other.metrics["eval_probe_auc"]
    assert value.mean == pytest.approx(0.7) and value.sd == pytest.approx(0.2) and value.n == 3
    assert "eval_runtime" not in other.metrics and "tokens_per_second" not in other.metrics
    [first, second] = rows(table.as_csv(from_sweep(folder)))
    assert float(second["eval_probe_auc"]) == statistics.fmean([0.5, 0.7, 0.9])
    assert float(second["eval_probe_auc_sd"]) == statistics.stdev([0.5, 0.7, 0.9])
    assert first["best"] == "1" and first["runs"] == "3" and first["tokens_per_second"] == "100.0"
    assert "0.8100 ± 0.0173" in table.terminal(from_sweep(folder))


def test_a_seed_that_a_search_chose_is_a_setting_as_any_other(tmp_path):
    """No two of its points have the others in common, so that there is nothing to average."""
    searched = [{"task.disc_weight": weight, "seed": weight % 3} for weight in (10, 20, 33)]
    text = table.terminal(from_sweep(write_sweep(tmp_path, searched)))
    head = next(line for line in text.splitlines() if "disc_weight" in line)
    assert "seed " in head and "seeds" not in head and "±" not in text


def test_lower_is_better_for_a_loss(tmp_path):
    folder = write_sweep(
        tmp_path,
        points(task__mask_prob=[0.1, 0.2]),
        objective=("eval_loss",),
        metrics=lambda p: {"eval_loss": p["task.mask_prob"]},
    )
    assert [p.settings["task.mask_prob"] for p in points_of(from_sweep(folder))] == [0.1, 0.2]


def test_one_seed_has_no_spread_and_failed_seeds_are_counted(tmp_path):
    grid = points(model=["electra_tiny", "electra_small"], seed=[0, 1])
    jobs = {1: {"status": "FAILED", "reason": "RuntimeError: no memory"}}
    comparison = from_sweep(write_sweep(tmp_path, grid, jobs=jobs))
    tiny = next(p for p in points_of(comparison) if p.settings["model"] == "electra_tiny")
    assert tiny.metrics["eval_probe_auc"].sd is None and len(tiny.finished) == 1
    text = table.terminal(comparison)
    assert "1 of 2" in text
    assert "failed: model=electra_tiny seed=1: RuntimeError: no memory" in text
    [row] = [row for row in rows(table.as_csv(comparison)) if row["model"] == "electra_tiny"]
    assert (row["finished"], row["runs"], row["status"]) == ("1", "2", "FAILED")
    assert row["eval_probe_auc_sd"] == "" and row["reason"] == "RuntimeError: no memory"


def test_points_without_a_finished_run_come_last(tmp_path):
    jobs = {0: {"status": "PRUNED"}, 1: {"status": "FAILED", "reason": "x"}, 3: None}
    comparison = from_sweep(write_sweep(tmp_path, points(task__mask_prob=[1, 2, 3, 4]), jobs=jobs))
    assert [p.settings["task.mask_prob"] for p in points_of(comparison)] == [3, 1, 2, 4]
    assert "not run" in table.terminal(comparison)


def test_several_objectives_mark_the_points_that_none_betters(tmp_path):
    found = {1: (0.9, 3.0), 2: (0.8, 1.0), 3: (0.7, 2.0), 4: (0.8, 1.0)}
    folder = write_sweep(
        tmp_path,
        points(task__disc_weight=[1, 2, 3, 4]),
        objective=("eval_probe_auc", "eval_loss"),
        metrics=lambda p: dict(
            zip(("eval_probe_auc", "eval_loss"), found[p["task.disc_weight"]], strict=True)
        ),
    )
    best = [p.settings["task.disc_weight"] for p in points_of(from_sweep(folder)) if p.best]
    assert best == [1, 2, 4]  # 3 is worse than 2 in both


def test_every_number_of_the_csv_is_whole(tmp_path):
    comparison = from_sweep(write_sweep(tmp_path, points(task__mask_prob=[0.15, 0.25])))
    for row, run in zip(
        sorted(rows(table.runs_csv(comparison)), key=lambda row: row["task.mask_prob"]),
        comparison.results,
        strict=True,
    ):
        for name in ("eval_probe_auc", "learning_rate", "eval_loss", "loss"):
            assert float(row[name]) == run.metrics[name]
        assert row["run_id"] == run.run_id
    assert "eval_runtime" not in table.runs_csv(comparison)


def test_a_table_of_many_settings_and_metrics_fits(tmp_path):
    grid = points(
        model=["electra_tiny", "a" * 70], task__mask_prob=[0.123456789012345], trainer__a=[1, 2],
        trainer__learning_rate=[1e-5, 0.1], adapt__trainer__a=[3], seed=[0, 1],
    )  # fmt: skip
    text = table.terminal(from_sweep(write_sweep(tmp_path, grid)))
    assert max(map(len, text.splitlines()[1:])) <= table.WIDTH
    assert "eval_probe_auc" in text and "0.1235" in text


def test_a_chains_own_spread_stands_beside_its_mean(tmp_path):
    def metrics(point):
        return {"finetune.test_accuracy": 0.5, "finetune.test_accuracy_sd": 0.04}

    folder = write_sweep(
        tmp_path,
        points(adapt__task__disc_weight=[10, 50]),
        objective=("finetune.test_accuracy",),
        metrics=metrics,
        jobs={0: {"seeds": [0, 1, 2]}, 1: {"seeds": [0, 1, 2]}},
    )
    comparison = from_sweep(folder)
    value = points_of(comparison)[0].metrics["finetune.test_accuracy"]
    assert (value.mean, value.sd, value.n) == (0.5, 0.04, 3)
    assert "0.5000 ± 0.0400" in table.terminal(comparison)
    head = table.as_csv(comparison).splitlines()[0].split(",")
    assert head.count("finetune.test_accuracy_sd") == 1


def test_a_chain_over_seeds_has_the_spread_of_the_seeds(tmp_path):
    folder = write_sweep(
        tmp_path,
        points(seed=[0, 1]),
        objective=("finetune.test_f1",),
        metrics=lambda p: {"finetune.test_f1": 0.5 + p["seed"] / 10, "finetune.test_f1_sd": 9.0},
    )
    [point] = points_of(from_sweep(folder))
    assert point.metrics["finetune.test_f1"].sd == pytest.approx(statistics.stdev([0.5, 0.6]))


def test_names_do_not_break_markdown_or_markup(tmp_path):
    hostile = "[red]a|b*`<script>$x_1$"
    folder = write_sweep(tmp_path, points(model=[hostile, "émile 한국어"], seed=[0]))
    comparison = from_sweep(folder)
    assert "[red]a|b*`<script>$x_1$" in table.terminal(comparison)
    lines = table.as_markdown(comparison).splitlines()
    pipes = {line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}
    assert len(pipes) == 1 and "<script>" not in "\n".join(lines)
    assert hostile in [row["model"] for row in rows(table.as_csv(comparison))]


def test_values_of_their_own_kind_are_points_of_their_own(tmp_path):
    grid = [{"a": value} for value in (None, "null ", True, 1, [1, 2], 0.1)]
    assert len(points_of(from_sweep(write_sweep(tmp_path, grid)))) == 6


def test_seeds_that_ran_twice_are_not_said_to_be_more_seeds(tmp_path):
    folders = [
        write_sweep(tmp_path / name, points(task__disc_weight=[10, 50], seed=seeds))
        for name, seeds in (("a", [0, 1]), ("b", [1, 2]))
    ]
    one, other = map(from_sweep, folders)
    both = replace(one, results=[*one.results, *other.results])
    assert {row[-2] for row in table.cells(both, points_of(both), [], speed=False)[1:]} == {
        "3 (4 runs)"
    }
