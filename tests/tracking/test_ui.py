from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from electralab.errors import RunFailure, UserError
from electralab.tracking.run import tracked_run
from electralab.tracking.store import Store, open_store
from electralab.tracking.ui import ui
from tests.tracking.conftest import server

SERVE = """
import sys
from electralab.tracking.store import Store
from electralab.tracking.ui import ui
sys.exit(ui(Store("local", sys.argv[1], sys.argv[2]), port=int(sys.argv[3])))
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


def test_the_ui_shows_runs_serves_clients_and_ends_with_ctrl_c(store, tmp_path):
    with tracked_run(store, experiment="rtd", run_name="seen", params={"a": 1}) as run:
        run.log_text("hello", "note.txt")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, store.uri, store.artifact_root, str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        assert address in process.stdout.readline()
        [experiment] = [store.client().get_experiment_by_name("rtd").experiment_id]
        assert f"{address}/#/experiments/{experiment}/runs?" in process.stdout.readline()
        assert b"<html" in get(address).lower()
        # Artifacts come from where the run put them.
        assert get(f"{address}/get-artifact?run_uuid={run.run_id}&path=note.txt") == b"hello"
        # It is a server like any other: a run can be recorded through it.
        remote = open_store(server(address), output_dir=tmp_path / "unused")
        with tracked_run(remote, experiment="over http", run_name="b", params={"p": 2}) as other:
            other.log_metrics({"loss": 1.5}, 3)
            other.log_text("far", "note.txt")
        with tracked_run(
            remote, experiment="over http", run_name="b", params={}, run_id=other.run_id
        ) as again:
            again.log_metrics({"loss": 9.0}, 3, replayed=True)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            output, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0
    assert (output, errors) == ("", "")  # quiet but for the addresses
    found = store.client().get_run(other.run_id)
    assert found.info.status == "FINISHED" and found.data.params == {"p": "2"}
    assert found.data.metrics == {"loss": 1.5}
    with socket.socket() as probe:  # nothing is left behind on the port
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not (tmp_path / "unused").exists()


def test_a_busy_port_is_one_line(store):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(UserError, match=f"{port} cannot be used") as caught:
            ui(store, port=port)
    assert len(caught.value.problems) == 1


def test_no_store_and_impossible_ports_are_the_users_errors(store):
    with pytest.raises(UserError, match="no tracking store"):
        ui(Store("off"))
    with pytest.raises(UserError, match="between 1 and 65535"):
        ui(store, port=70000)


def test_a_server_has_a_ui_of_its_own(capsys):
    assert ui(Store("server", "http://me:pw@host:5000")) == 0
    assert "http://***@host:5000" in capsys.readouterr().out


def test_a_ui_that_cannot_start_says_why_in_a_line():
    with pytest.raises(RunFailure, match="did not start: ") as caught:
        ui(Store("server", "nonsense:///x"), port=free_port())
    assert len(str(caught.value).splitlines()) == 1
