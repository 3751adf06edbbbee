from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from pathlib import Path

import pytest

from electralab.errors import Interrupted, UserError
from electralab.tracking.run import tracked_run
from electralab.tracking.store import Store

CONFIG = {"task": {"name": "rtd", "mask_prob": 0.15}, "seed": 1}


@contextmanager
def start(store: Store, folder: Path | None = None, **changed):
    """A run, kept in a folder if there is one."""
    given = {"experiment": "rtd", "run_name": "a", "params": CONFIG, **changed}
    with tracked_run(store, **given) as run:
        if folder:
            folder.mkdir(exist_ok=True)
            run.keep_in(folder)
        yield run


def artifact(store: Store, run_id: str, name: str) -> str:
    root = Path(store.artifact_root.removeprefix("file://"), "rtd", run_id, "artifacts")
    return (root / name).read_text(encoding="utf-8")


def history(store: Store, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.client().get_metric_history(run_id, name)]


def test_a_run_is_finished_with_its_parameters_tags_and_points(store):
    with start(store, tags={"signature": "abc", "folder": "/x"}) as run:
        assert store.client().get_run(run.run_id).info.status == "RUNNING"
        for step in range(5):
            run.log_metrics({"loss": 1.0 / (step + 1), "odd (name)": step}, step)
    found = store.client().get_run(run.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "a"
    assert found.data.params == {"task.name": "rtd", "task.mask_prob": "0.15", "seed": "1"}
    assert found.data.tags["signature"] == "abc" and found.data.tags["folder"] == "/x"
    assert history(store, run.run_id, "loss") == [(step, 1.0 / (step + 1)) for step in range(5)]
    assert "odd _name_" in found.data.metrics


def test_more_parameters_than_a_batch_and_long_values_are_all_kept(store):
    params = {f"p{index}": index for index in range(250)} | {"long": "é" * 7000}
    with start(store, params=params, tags={"note": "t" * 9000}) as run:
        pass
    found = store.client().get_run(run.run_id).data
    assert len(found.params) == 251 and found.params["p249"] == "249"
    assert artifact(store, run.run_id, "params/long.txt") == "é" * 7000
    assert artifact(store, run.run_id, "tags/note.txt") == "t" * 9000
    assert "params/long.txt" in found.params["long"]


def test_credentials_reach_neither_store_nor_folder(store, tmp_path):
    secret = "s3cret-value"
    params = {"trainer": {"hub_token": secret}, "tracking": {"uri": f"http://me:{secret}@h"}}
    tags = {"api_key": secret}
    with pytest.raises(ValueError), start(store, tmp_path / "run", params=params, tags=tags):
        raise ValueError(f"at http://me:{secret}@h")
    root = Path(store.uri.removeprefix("sqlite:///")).parent
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_failure_is_recorded_and_goes_on(store):
    with pytest.raises(ZeroDivisionError), start(store) as run:
        run.log_metrics({"loss": 2.0}, 1)
        1 / 0  # noqa: B018
    found = store.client().get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["failure"] == "ZeroDivisionError: division by zero"
    assert "test_run.py" in artifact(store, run.run_id, "failure.txt")
    assert history(store, run.run_id, "loss") == [(1, 2.0)]


@pytest.mark.parametrize("stop", [Interrupted(143), Interrupted(130), KeyboardInterrupt()])
def test_a_stopped_run_is_killed(store, stop):
    with pytest.raises(type(stop)), start(store) as run:
        run.log_metrics({"loss": 2.0}, 1)
        raise stop
    found = store.client().get_run(run.run_id)
    assert found.info.status == "KILLED" and "failure" not in found.data.tags
    assert history(store, run.run_id, "loss") == [(1, 2.0)]


def test_resume_goes_on_in_the_same_run_and_writes_no_point_twice(store, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError), start(store, folder) as run:
        for step in (10, 20, 30):
            run.log_metrics({"loss": float(step)}, step)
        run.log_table([{"step": 10, "text": "a"}], "previews.json")
        raise RuntimeError("power cut")
    changed = {"run_id": run.run_id, "params": {"seed": 2}, "tags": {"resumed": "yes"}}
    with start(store, folder, **changed) as again:
        assert again.run_id == run.run_id and again._writer.deliver(20)
        assert store.client().get_run(run.run_id).info.status == "RUNNING"
        for step in (20, 30, 40):  # the checkpoint was of step 10
            again.log_metrics({"loss": step + 0.5}, step, replayed=True)
        again.log_metrics({"loss": 7.0}, 30)  # measured anew, after the training
        again.log_metrics({"loss": 10.0}, 10)  # likewise, and found to be the same
        again.log_table([{"step": 10, "text": "a"}, {"step": 40, "text": "b"}], "previews.json")
    found = store.client().get_run(run.run_id)
    assert found.info.status == "FINISHED" and "failure" not in found.data.tags
    assert found.data.params["seed"] == "1" and found.data.tags["resumed"] == "yes"
    points = history(store, run.run_id, "loss")
    assert sorted(points) == [(10, 10.0), (20, 20.0), (30, 7.0), (30, 30.0), (40, 40.5)]
    table = json.loads(artifact(store, run.run_id, "previews.json"))
    assert table == {"columns": ["step", "text"], "data": [[10, "a"], [40, "b"]]}


def test_resume_of_an_unknown_run_is_the_users_error(store):
    with pytest.raises(UserError, match="There is no run 0123"), start(store, run_id="0123" * 8):
        pass


def test_the_name_of_a_deleted_experiment_is_the_users_error(store):
    with start(store):
        pass
    client = store.client()
    client.delete_experiment(client.get_experiment_by_name("rtd").experiment_id)
    with pytest.raises(UserError, match="`name` must not be"), start(store):
        pass


def test_the_same_point_is_written_once_and_a_new_value_is_added(store):
    with start(store) as run:
        run.log_metrics({"eval_loss": 1.0}, 5)
        run.log_metrics({"eval_loss": 1.0}, 5)
        run.log_metrics({"eval_loss": 0.5}, 5)
    assert sorted(history(store, run.run_id, "eval_loss")) == [(5, 0.5), (5, 1.0)]
    assert store.client().get_run(run.run_id).data.metrics["eval_loss"] == 0.5  # the latest


def test_numbers_that_are_not_finite_are_told_once(store, caplog):
    with start(store) as run, caplog.at_level(logging.WARNING):
        for step in (1, 2):
            run.log_metrics({"loss": float("nan"), "grad_norm": 1.0}, step)
    assert len(caplog.records) == 1
    found = store.client().get_run(run.run_id).data
    assert found.tags["not_finite.loss"] == "nan at step 1" and "loss" not in found.metrics
    assert len(history(store, run.run_id, "grad_norm")) == 2


def test_files_and_folders(store, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "one.txt").write_text("1")
    with start(store) as run:
        run.log_artifact(tmp_path / "one.txt")
        run.log_artifact(tmp_path / "one.txt", "deep/er")
        run.log_artifact(tmp_path / "model")
        run.log_dict({"a": [1]}, "x/data.json")
    assert artifact(store, run.run_id, "one.txt") == "1"
    assert artifact(store, run.run_id, "deep/er/one.txt") == "1"
    assert artifact(store, run.run_id, "model/config.json") == "{}"
    assert json.loads(artifact(store, run.run_id, "x/data.json")) == {"a": [1]}


def test_off_is_the_same_object_without_a_store(tmp_path):
    with start(Store("off")) as run:
        run.log_metrics({"loss": 1.0, "bad": float("inf")}, 1)
        run.log_artifact(tmp_path / "not there")
        run.log_table([{"a": 1}], "t.json")
        run.set_tags({"a": 1})
    assert len(run.run_id) == 32 and run.run_id == run.run_id.lower()
    with start(Store("off"), run_id="given") as run:
        assert run.run_id == "given"


def test_mlflows_own_functions_find_the_run_and_are_as_before_afterwards(store):
    import mlflow

    before = mlflow.get_tracking_uri()
    with start(store) as run:
        assert mlflow.active_run().info.run_id == run.run_id
        mlflow.log_metric("users_own", 3.0)
    assert mlflow.active_run() is None and mlflow.get_tracking_uri() == before
    found = store.client().get_run(run.run_id)
    assert found.data.metrics["users_own"] == 3.0 and found.info.status == "FINISHED"


def test_a_run_id_in_the_environment_changes_nothing(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    with start(store) as run:
        assert run.run_id != "f" * 32
