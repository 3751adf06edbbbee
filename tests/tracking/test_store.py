from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from electralab.errors import RunFailure, UserError
from electralab.tracking.store import Store, describe_uri, open_store, reason
from tests.tracking.conftest import LOCAL, OFF, server

# What each of several processes does at once on a folder without a store.
FIRST_USE = """
import sys
from electralab.config import TrackingConfig
from electralab.tracking.run import tracked_run
from electralab.tracking.store import open_store
sys.stdin.readline()  # all at once
store = open_store(TrackingConfig(mode="local", uri=None), output_dir=sys.argv[1])
with tracked_run(store, experiment="shared", run_name="x", params={"a": 1}) as run:
    for step in range(20):
        run.log_metrics({"loss": float(step)}, step)
print(run.run_id)
"""


def test_local_store_lies_under_output_dir(tmp_path):
    store = open_store(LOCAL, output_dir=tmp_path / "out puts#1")
    assert store.uri == f"sqlite:///{tmp_path}/out puts#1/mlflow.db"
    assert store.artifact_root == (tmp_path / "out puts#1/artifacts").as_uri()
    assert {path.name for path in (tmp_path / "out puts#1").iterdir()} <= {
        "mlflow.db",
        "mlflow.lock",
    }
    assert [found.name for found in store.client().search_experiments()] == ["Default"]


def test_a_relative_folder_gives_an_absolute_uri(tmp_path, fresh_database, monkeypatch):
    monkeypatch.chdir(fresh_database.parent)
    assert open_store(LOCAL, output_dir=".").uri == f"sqlite:///{fresh_database}"


def test_an_existing_store_opens_without_importing_mlflow(fresh_database):
    code = (
        "import sys; from electralab.config import TrackingConfig;"
        "from electralab.tracking.store import open_store;"
        "open_store(TrackingConfig(mode='local', uri=None), output_dir=sys.argv[1]);"
        "sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(fresh_database.parent)], check=True)


def test_first_use_by_several_processes_at_once(tmp_path):
    out = tmp_path / "out"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_USE, str(out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    results = [process.communicate("\n", timeout=120) for process in processes]
    assert [error for _, error in results if error] == []
    ids = {output.strip() for output, _ in results}
    assert len(ids) == 5
    with sqlite3.connect(out / "mlflow.db") as database:
        assert database.execute("select count(*) from metrics").fetchone() == (100,)
        assert database.execute(
            "select count(*) from experiments where name = 'shared'"
        ).fetchone() == (1,)
        assert {row[0] for row in database.execute("select status from runs")} == {"FINISHED"}


def test_off_makes_nothing(tmp_path):
    assert open_store(OFF, output_dir=tmp_path / "none") == Store("off")
    assert list(tmp_path.iterdir()) == []


def test_looking_makes_nothing_and_asks_nobody(tmp_path):
    assert open_store(LOCAL, output_dir=tmp_path / "none", create=False) == Store("off")
    assert open_store(server("http://127.0.0.1:9"), output_dir=tmp_path, create=False).uri
    assert list(tmp_path.iterdir()) == []


def test_one_process_of_a_distributed_run_records(tmp_path, monkeypatch):
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert open_store(LOCAL, output_dir=tmp_path / "none") == Store("off")


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^`output_dir` must be a folder .*$") as caught:
        open_store(LOCAL, output_dir=tmp_path / "file")
    assert caught.value.exit_status == 2


def test_a_file_that_is_no_database_is_the_users_error(tmp_path):
    (tmp_path / "mlflow.db").write_text("something else")
    with pytest.raises(UserError, match="is no SQLite database"):
        open_store(LOCAL, output_dir=tmp_path)


def test_signs_with_a_meaning_in_uris_are_refused(tmp_path):
    with pytest.raises(UserError, match="must not contain"):
        open_store(LOCAL, output_dir=tmp_path / "a%20b")


def test_a_store_of_another_version_is_one_line(tmp_path, fresh_database):
    (tmp_path / "mlflow.db").write_bytes(fresh_database.read_bytes())
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = 'older'")
    with pytest.raises(RunFailure, match=r"another MLflow version.*mlflow db upgrade") as caught:
        open_store(LOCAL, output_dir=tmp_path).client()
    assert len(str(caught.value).splitlines()) == 1


def test_a_refusing_server_is_one_line_within_seconds(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    started = time.monotonic()
    with pytest.raises(RunFailure) as caught:
        open_store(server(f"http://me:s3cret@127.0.0.1:{port}"), output_dir=tmp_path)
    assert time.monotonic() - started < 6
    message = str(caught.value)
    assert message.startswith(f"`tracking.uri` http://***@127.0.0.1:{port} cannot be used: ")
    assert "Connection refused" in message and "s3cret" not in message
    assert len(message.splitlines()) == 1 and caught.value.exit_status == 1
    assert {key for key in os.environ if os.environ[key] != before.get(key)} <= {
        "PYTEST_CURRENT_TEST"
    }


def test_a_silent_server_is_given_up_in_time(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts and never answers
        started = time.monotonic()
        with pytest.raises(RunFailure, match="did not answer in time"):
            open_store(server(f"http://127.0.0.1:{silent.getsockname()[1]}"), output_dir=tmp_path)
        assert time.monotonic() - started < 6


def test_a_uri_that_is_none_is_the_users_error(tmp_path):
    with pytest.raises(UserError, match=r"`tracking\.uri` must begin with") as caught:
        open_store(server("ftp://x"), output_dir=tmp_path)
    assert caught.value.exit_status == 2


def test_server_takes_any_store(fresh_database, tmp_path):
    store = open_store(server(f"sqlite:///{fresh_database}"), output_dir=tmp_path)
    assert store.mode == "server" and store.artifact_root is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url: /x (Caused by ResponseError('too many 500 error responses'))", "with HTTP 500"),
        ("RemoteDisconnected('Remote end closed connection without response')", "it closes the"),
        ("(raised as …) (sqlite3.OperationalError) database or disk is full", "its disk is full"),
        ("(sqlite3.OperationalError) database is locked [SQL: BEGIN]", "keeps it locked"),
    ],
)
def test_what_goes_wrong_in_the_middle_is_said_in_a_few_words(text, said):
    assert said in reason(Exception(text)) and len(reason(Exception(text))) < 40


def test_describe_uri_hides_credentials():
    assert describe_uri("https://u:p@h/") == "https://***@h/"
