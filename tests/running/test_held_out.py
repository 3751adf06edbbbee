"""A test split, measured once at the end, in a run with deterministic kernels only."""

from __future__ import annotations

import json

import pytest
import torch

from electralab.cli import main
from electralab.timing import TIMING_METRICS
from tests.conftest import TINY


@pytest.fixture(autouse=True)
def restored():
    yield
    torch.use_deterministic_algorithms(False)


def test_the_test_split_is_measured_once_and_the_same_each_time(corpus, here):
    words = ["data=text", f"data.path={corpus}", *TINY, "data.split.test=0.1", "deterministic=true"]
    assert main(words) == 0
    assert torch.are_deterministic_algorithms_enabled()
    assert main(words) == 0
    runs = sorted((here / "outputs" / "rtd").iterdir())
    one, two = (json.loads((run / "summary.json").read_text()) for run in runs)
    metrics, again = (
        {name: value for name, value in summary["metrics"].items() if name not in TIMING_METRICS}
        for summary in (one, two)
    )
    assert metrics == again
    assert {name.removeprefix("test_") for name in metrics if name.startswith("test_")} == {
        name.removeprefix("eval_") for name in metrics if name.startswith("eval_")
    }
    assert metrics["test_mlm_loss"] != metrics["eval_mlm_loss"]

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    points = client.get_metric_history(one["run_id"], "test_probe_auc")
    assert [(point.step, point.value) for point in points] == [(6, metrics["test_probe_auc"])]
    assert len(client.get_metric_history(one["run_id"], "eval_probe_auc")) == 2
