"""A sweep in the store: a parent run, a child a job, and nothing that runs for ever."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import electralab.run
from electralab import cli
from electralab.running import folder as files
from electralab.sweeping.record import SweepRecord
from electralab.tracking.store import open_store
from tests.conftest import TINY, write_corpus
from tests.sweeping.conftest import folder, record
from tests.tracking.faulty_server import FaultyServer


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("sweep")
    write_corpus(root / "corpus.txt", documents=120)
    return root


@pytest.fixture
def words(place, monkeypatch):
    """A sweep of two short runs; the tests of this module go on with one another's."""
    monkeypatch.chdir(place)
    return ["-m", "data=text", "data.path=corpus.txt", *TINY, "task.disc_weight=10,50"]


def store():
    from electralab.config import TrackingConfig

    return open_store(TrackingConfig(mode="local", uri=None), output_dir="outputs").client()


def runs():
    """All runs of the experiment by their ids."""
    client = store()
    [experiment] = [client.get_experiment_by_name("rtd").experiment_id]
    return {run.info.run_id: run for run in client.search_runs([experiment])}


def children():
    parent = record()["run_id"]
    return [run for run in runs().values() if run.data.tags.get("mlflow.parentRunId") == parent]


def test_a_sweep_is_a_parent_and_a_child_a_job(words):
    assert cli.main(words) == 0
    found = runs()
    parent = found[record()["run_id"]]
    assert len(found) == 3 and parent.info.status == "FINISHED"
    tags = parent.data.tags
    assert tags["command"].startswith("electralab -m data=text")
    assert json.loads(tags["space"]) == {"task.disc_weight": [10, 50]}
    assert tags["state"] == "2 of 2 jobs finished" and tags["sweep"] == "parent"
    for run, weight in zip(sorted(children(), key=_weight), (10, 50), strict=True):
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"task.disc_weight={weight}"
        assert float(run.data.params["task.disc_weight"]) == weight
        assert run.data.tags["sweep_id"] == tags["sweep_id"] == record()["sweep_id"]
        assert json.loads(run.data.tags["point"]) == {"task.disc_weight": weight}
        assert (folder() / run.data.tags["signature"] / "model" / "config.json").is_file()
        assert "eval_probe_auc" in run.data.metrics
        assert not any(name.startswith("sweep.") for name in run.data.params)
    history = json.loads(
        (folder() / children()[0].data.tags["signature"] / "history.json").read_text()
    )
    assert [logs["step"] for logs in history if "loss" in logs] == [2, 4, 6]


def test_added_points_go_on_in_the_same_parent(words):
    assert cli.main([*words[:-1], "task.disc_weight=10,50,25"]) == 0
    assert len(runs()) == 4 and len(children()) == 3
    tags = runs()[record()["run_id"]].data.tags
    assert json.loads(tags["space"]) == {"task.disc_weight": [10, 50, 25]}


def test_a_finished_job_whose_end_is_still_to_be_delivered_was_not_killed(words):
    client, first = store(), children()[0].info.run_id
    client.update_run(first, status="RUNNING")
    assert cli.main(words) == 0
    assert client.get_run(first).info.status == "RUNNING"
    client.update_run(first, status="FINISHED")


def test_of_a_chain_that_was_killed_what_is_done_was_not_killed(tmp_path):
    ended: list[tuple[str, str]] = []
    (tmp_path / "done").mkdir()
    files.write_json(tmp_path / "done" / files.SUMMARY, {"run_id": "aa", "status": "FINISHED"})
    stages = [SimpleNamespace(info=SimpleNamespace(run_id=x, status="RUNNING")) for x in "ab"]
    stages[0].info.run_id = "aa"
    client = SimpleNamespace(
        search_runs=lambda *_, **__: stages, set_terminated=lambda *end: ended.append(end)
    )
    sweep = SimpleNamespace(folder=tmp_path / "sweep")
    SweepRecord._close_stages(sweep, client, "0", "chain")
    assert ended == [("b", "KILLED")]


def test_what_was_killed_is_closed_and_run_again(words):
    """As SIGKILL leaves it: runs that are RUNNING, one of them before it had a folder."""
    client = store()
    first = min(children(), key=_weight)
    job = folder() / first.data.tags["signature"]
    (job / files.SUMMARY).unlink()
    shutil.rmtree(job / "model")
    client.update_run(first.info.run_id, status="RUNNING")
    client.update_run(record()["run_id"], status="RUNNING")
    tags = {"sweep_id": record()["sweep_id"], "mlflow.parentRunId": record()["run_id"]}
    unborn = client.create_run(first.info.experiment_id, tags=tags).info.run_id
    assert cli.main(words) == 0
    assert {run.info.status for run in runs().values()} == {"FINISHED"}
    assert unborn not in runs() and client.get_run(unborn).info.status == "KILLED"
    again = min(children(), key=_weight)
    assert again.info.run_id == first.info.run_id  # which had a checkpoint
    assert len(children()) == 3
    points = client.get_metric_history(again.info.run_id, "loss")
    assert [point.step for point in points] == [2, 4, 6]


def test_a_failed_job_makes_the_parent_fail_and_is_replaced(words, monkeypatch):
    train = electralab.run.execute

    def fail(config, overrides, *, link):
        if config.task.disc_weight == 60:
            raise RuntimeError("out of luck")
        return train(config, overrides, link=link)

    more = [*words[:-1], "task.disc_weight=10,60"]
    with monkeypatch.context() as patch:
        patch.setattr(electralab.run, "execute", fail)
        assert cli.main(more) == 1
    parent = runs()[record()["run_id"]]
    assert parent.info.status == "FAILED"
    assert parent.data.tags["state"] == "3 of 4 jobs finished"
    assert '{"task.disc_weight": 60}: RuntimeError: out of luck' in parent.data.tags["failure"]
    failed = max(children(), key=_weight)  # though it never came to a run of its own
    assert failed.info.status == "FAILED" and len(children()) == 4
    assert failed.info.run_name == "task.disc_weight=60"
    assert float(failed.data.params["task.disc_weight"]) == 60
    assert "out of luck" in failed.data.tags["failure"]
    assert cli.main(more) == 0
    parent = runs()[record()["run_id"]]
    assert parent.info.status == "FINISHED" and "failure" not in parent.data.tags
    assert [run.info.status for run in children()] == ["FINISHED"] * 4


def test_a_store_that_is_gone_is_begun_again(words):
    """The jobs are finished all the same. In a process of its own, for MLflow keeps its stores."""
    before = record()["run_id"]
    Path("outputs", "mlflow.db").rename("old.db")
    done = subprocess.run([sys.executable, "-m", "electralab", *words], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert record()["run_id"] != before
    with sqlite3.connect("outputs/mlflow.db") as connection:
        found = connection.execute("SELECT run_uuid, status FROM runs").fetchall()
    assert found == [(record()["run_id"], "FINISHED")]


def test_a_store_that_dies_meanwhile_costs_no_sweep_its_end(here, monkeypatch, trained):
    from electralab.config import TrackingConfig

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    kept = open_store(TrackingConfig(mode="local", uri=None), output_dir=here / "server")
    server = FaultyServer(kept.uri, str(here / "server" / "artifacts"))

    begin = type(trained).__call__

    def dying(self, config, overrides, *, link):
        if config.seed == 2:
            server.break_down("dead")
            raise RuntimeError("out of luck")
        begin(self, config, overrides, link=link)

    monkeypatch.setattr(type(trained), "__call__", dying)
    try:
        words = ["seed=1,2,3", "sweep.fail_fast=true"]  # the third is asked for in the store
        assert cli.main(["-m", *words, "tracking=server", f"tracking.uri={server.uri}"]) == 1
        assert trained.seeds == [1] and record()["status"] == "FAILED"
        assert (folder() / "table.csv").is_file() and (folder() / "report.html").is_file()
    finally:
        server.end()


def _weight(run):
    return int(json.loads(run.data.tags["point"])["task.disc_weight"])
