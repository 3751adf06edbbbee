"""A whole run whose tracking server dies in the middle, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electralab.cli import main
from electralab.tracking.store import Store
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY
from tests.tracking.faulty_server import FaultyServer


@pytest.fixture
def faulty(here, monkeypatch):
    from electralab.config import TrackingConfig
    from electralab.tracking.store import open_store

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = open_store(TrackingConfig(mode="local", uri=None), output_dir=here / "server")
    found = FaultyServer(store.uri, str(here / "server" / "artifacts"))
    yield found
    found.end()


def test_a_dead_server_costs_no_training_and_sync_completes_the_record(
    corpus, here, faulty, monkeypatch, capsys
):
    function, steps = ExperimentTrainer.training_step, iter(range(1, 100))

    def stepping(trainer, *args, **kwargs):
        if next(steps) == 3:
            faulty.break_down("dead")
        return function(trainer, *args, **kwargs)

    monkeypatch.setattr(ExperimentTrainer, "training_step", stepping)
    words = ["data=text", f"data.path={corpus}", *TINY, "tracking=server"]
    assert main([*words, f"tracking.uri={faulty.uri}"]) == 0
    [run] = (here / "outputs" / "rtd").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "FINISHED" and (run / "model").is_dir()
    lacking = summary["undelivered"]
    assert "metric points" in lacking and "its status (Connection refused)" in lacking
    shown = capsys.readouterr().err
    place = run.relative_to(here)
    assert f"the store lacks {lacking}: electralab sync {place}" in shown
    assert shown.count("lacks") == 1 and "Traceback" not in (run / "run.log").read_text()
    faulty.repair()
    assert main(["sync", str(place)]) == 0
    assert capsys.readouterr().out.startswith(f"{place}: gave ")
    assert "undelivered" not in json.loads((run / "summary.json").read_text())

    client = Store("server", faulty.uri).client()
    found = client.get_run(summary["run_id"])
    assert found.info.status == "FINISHED" and "seconds" in found.data.tags
    kept = {item.path for item in client.list_artifacts(summary["run_id"])}
    assert kept >= {"summary.json", "history.json", "previews.json", "config.yaml", "data.png"}
    stored = client.download_artifacts(summary["run_id"], "summary.json")
    assert Path(stored).read_text() == (run / "summary.json").read_text()
    for logs in json.loads((run / "history.json").read_text()):
        for name in logs.keys() - {"step"}:
            points = client.get_metric_history(summary["run_id"], name)
            assert [p.step for p in points].count(logs["step"]) == 1, name
