"""What is typed becomes points: what is refused before the first job, and how points are named."""

from __future__ import annotations

import pytest

from electralab import cli
from tests.sweeping.conftest import record, sweep


def test_a_mistake_in_one_point_stops_the_sweep_and_names_the_point(trained, errors, here):
    assert sweep("task.mask_prob=0.1,1.2", "seed=1,2") == 2
    assert errors() == [
        "`task.mask_prob` must be above 0 and below 1, but is 1.2 instead. "
        "(at task.mask_prob=1.2 seed=1 and 1 more, of 4 points)"
    ]
    assert trained.done == [] and list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["name=a,b"], "name"),
        (["output_dir=a,b"], "output_dir"),
        (["tracking=off,local"], "tracking"),
        (["sweep.fail_fast=true,false"], "sweep.fail_fast"),
        (["objective=eval_loss,eval_probe_auc"], "objective"),
        (["resume=auto,null"], "resume"),
    ],
)
def test_what_the_runs_of_a_sweep_share_cannot_be_swept(trained, errors, here, words, key):
    assert cli.main(["-m", *words, "seed=1,2"]) == 2
    assert errors()[0] == f"`{key}` must be one value, but is swept; the runs of a sweep share it."
    assert trained.done == [] and list(here.iterdir()) == []


def test_a_plus_makes_no_other_sweep(trained):
    assert sweep("task.mask_prob=0.1,0.2") == 0
    assert sweep("++task.mask_prob=0.1,0.2,0.3") == 0
    assert len(trained.done) == 3 and record()["swept"] == ["task.mask_prob"]


def test_groups_can_be_swept_and_share_a_name(trained):
    assert sweep("task=rtd,mlm", "model=electra_tiny,electra_small") == 0
    assert [point["values"] for point in record()["points"]] == [
        {"task": task, "model": model}
        for task in ("rtd", "mlm")
        for model in ("electra_tiny", "electra_small")
    ]
    assert trained.parts[0].params == {"task": "rtd", "model": "electra_tiny"}


def test_flags_may_stand_anywhere(trained):
    assert cli.main(["seed=1,2", "tracking=off", "-m", "name=x"]) == 0
    assert trained.seeds == [1, 2]


def test_batches_of_jobs_are_as_large_as_asked(trained):
    assert sweep("seed=1,2,3", "hydra.sweeper.max_batch_size=2") == 0
    assert trained.seeds == [1, 2, 3]


def test_values_of_a_sweep_can_stand_in_a_file(trained, here):
    (here / "own" / "experiment").mkdir(parents=True)
    (here / "own" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 4,5\n"
    )
    assert cli.main(["experiment=mine", "tracking=off", "--config-dir", "own"]) == 0
    assert trained.seeds == [4, 5] and record()["swept"] == ["seed"]
