"""A store that fails in the middle of a run: the run does not feel it, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from electralab.cli import main
from electralab.tracking import run as run_module
from electralab.tracking import writer as writer_module
from electralab.tracking.run import TrackedRun
from electralab.tracking.store import Store, open_store, reason
from tests.tracking.conftest import server
from tests.tracking.faulty_server import FAULTS, FaultyServer
from tests.tracking.test_run import artifact, history, start

STEPS = 20
# Logs while the store is locked, says so, and waits to be killed.
VICTIM = """
import sys, time
from pathlib import Path
from electralab.tracking.store import Store
from electralab.tracking.run import tracked_run
with tracked_run(Store("local", *sys.argv[1:3]), experiment="rtd", run_name="v", params={}) as run:
    folder = Path(sys.argv[3])
    run.keep_in(folder)
    run.log_metrics({"loss": -1.0}, 0)
    run._writer.deliver(20)
    print(run.run_id, flush=True)
    sys.stdin.readline()
    for step in range(1, 20):
        run.log_metrics({"loss": float(step)}, step)
    print("logged", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """What takes seconds elsewhere takes tenths of one."""
    monkeypatch.setattr(writer_module, "INTERVAL", 0.05)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def faulty(store, tmp_path):
    found = FaultyServer(store.uri, str(tmp_path / "artifacts"))
    yield found
    found.end()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "run"
    place.mkdir()
    return place


def identify(run: TrackedRun, folder: Path) -> None:
    (folder / "run.json").write_text(json.dumps({"run_id": run.run_id}))


def remote(faulty: FaultyServer, tmp_path: Path) -> Store:
    return open_store(server(faulty.uri), output_dir=tmp_path)


def say(run: TrackedRun, first: int, folder: Path) -> None:
    """Says everything that a run says, without waiting for anybody."""
    started = time.monotonic()
    for step in range(first, first + STEPS):
        run.log_metrics({"loss": float(step)}, step)
    run.set_tags({f"tag{first}": "x"})
    run.log_table([{"step": first}], "table.json")
    (folder / f"file{first}.txt").write_text(str(first))
    run.log_artifact(folder / f"file{first}.txt")
    assert time.monotonic() - started < 2  # each call that waited would take one


def wait_for_trouble(run: TrackedRun) -> None:
    end = time.monotonic() + 10
    while run._writer.failure is None:
        assert time.monotonic() < end, "the store was never asked"
        time.sleep(0.01)


def check(store: Store, run_id: str, *, steps: int) -> None:
    """Every point is there once and in order, and so is everything else."""
    assert history(store, run_id, "loss") == [(step, float(step)) for step in range(steps)]
    found = store.client().get_run(run_id)
    assert found.info.status == "FINISHED"
    firsts = range(0, steps, STEPS)
    assert {f"tag{first}" for first in firsts} <= set(found.data.tags)
    paths = {item.path for item in store.client().list_artifacts(run_id)}
    assert paths >= {f"file{first}.txt" for first in firsts} | {"table.json"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_server_missed_is_delivered_when_it_returns(store, faulty, tmp_path, folder, fault):
    with start(remote(faulty, tmp_path), folder) as run:
        say(run, 0, folder)
        assert run._writer.deliver(20)
        with faulty.failing(fault):
            say(run, STEPS, folder)
            wait_for_trouble(run)
            say(run, 2 * STEPS, folder)
        say(run, 3 * STEPS, folder)
    assert run.undelivered == ""
    check(store, run.run_id, steps=4 * STEPS)


@pytest.mark.parametrize("fault", ["dead", "silent"])
def test_a_server_that_stays_away_fails_nothing_and_sync_delivers_the_rest(
    store, faulty, tmp_path, folder, fault, capsys, caplog, monkeypatch
):
    monkeypatch.setattr(run_module, "PATIENCE", 4.0)
    with start(remote(faulty, tmp_path), folder) as run:
        identify(run, folder)
        say(run, 0, folder)
        assert run._writer.deliver(20)
        faulty.break_down(fault)
        say(run, STEPS, folder)
        ended = time.monotonic()
    assert time.monotonic() - ended < 12
    why = "Connection refused" if fault == "dead" else "it did not answer in time"
    lacking = f"20 metric points, 2 tags, 2 artifacts and its status ({why})"
    assert run.undelivered == lacking
    assert caplog.messages[-1].endswith(
        f"lacks {lacking}; deliver it with: electralab sync {folder}"
    )
    assert main(["sync", str(folder)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"The store {faulty.uri} cannot be used: {why}; try again when it is back."
    faulty.repair()
    assert main(["sync", str(folder)]) == 0
    gave = "20 metric points, 1 tag, 2 artifacts and its status"  # one is as before
    assert capsys.readouterr().out == f"{folder}: gave {gave} to {faulty.uri}\n"
    check(store, run.run_id, steps=2 * STEPS)
    assert main(["sync", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: {faulty.uri} has everything\n"


def test_a_store_that_was_set_back_gets_all_again_and_keeps_what_a_person_changed(
    store, folder, tmp_path, capsys
):
    with start(store, folder) as run:
        identify(run, folder)
        say(run, 0, folder)
    database = Path(store.uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from metrics where step >= 5")
        connection.execute("delete from params where key = 'seed'")
        connection.execute("update runs set status = 'RUNNING'")
        connection.execute("update tags set value = 'by hand' where key = 'tag0'")
        connection.commit()
    Path(tmp_path, "artifacts", "rtd", run.run_id, "artifacts", "file0.txt").unlink()
    assert main(["sync", str(folder)]) == 0
    gave = "1 parameter, 15 metric points, 1 artifact and its status"
    assert capsys.readouterr().out == f"{folder}: gave {gave} to {store.uri}\n"
    check(store, run.run_id, steps=STEPS)
    found = store.client().get_run(run.run_id).data
    assert found.params["seed"] == "1" and found.tags["tag0"] == "by hand"


@pytest.mark.parametrize(
    ("written", "status", "said"),
    [
        ('{"run_id": "%s", "store": {"mode": "local", "output_dir": ".."}}', 2, "There is no run"),
        ('{"run_id": "%s", "store": {"mode": "local", "output_dir": "."}}', 2, "there is none"),
        ('{"run_id": "%s", "store": {"uri": "http://***@h"}}', 2, "tracking.uri=…"),
        ('{"run_id": "%s", "store": 3}', 2, "must have been tracked"),
        ("not a journal", 2, "must have been tracked"),
    ],
)
def test_what_cannot_be_delivered_is_one_line(store, folder, capsys, written, status, said):
    run_id = "0123456789abcdef" * 2
    (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    (folder / "tracking.jsonl").write_text(written.replace("%s", run_id) + "\n")
    assert main(["sync", str(folder)]) == status
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_record_from_elsewhere_names_no_file_outside_its_folder(store, folder, tmp_path):
    with start(store, folder) as run:
        identify(run, folder)
    (tmp_path / "private.txt").write_text("mine")
    (folder / "link.txt").symlink_to(tmp_path / "private.txt")
    names = ["../private.txt", str(tmp_path / "private.txt"), "link.txt"]
    with (folder / "tracking.jsonl").open("a") as file:
        for name in names:
            file.write(json.dumps({"file": name, "to": None}) + "\n")
    assert main(["sync", str(folder)]) == 0
    paths = {item.path for item in store.client().list_artifacts(run.run_id)}
    assert not paths & {"private.txt", "link.txt"}


@contextmanager
def locked(store: Store):
    """Another process writes to the SQLite store for as long."""
    path = store.uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        yield
        other.execute("rollback")


@contextmanager
def full(store: Store):
    """The disk of the SQLite store takes no page more."""
    engine = store.client()._tracking_client.store.engine

    def limit(connection, _) -> None:
        connection.execute("pragma max_page_count = 1")

    sqlalchemy.event.listen(engine, "connect", limit)
    engine.dispose()
    yield
    sqlalchemy.event.remove(engine, "connect", limit)
    engine.dispose()


@pytest.mark.parametrize("fault", [locked, full])
def test_a_sqlite_store_that_is_locked_or_full_holds_up_nothing(store, folder, fault):
    with start(store, folder) as run:
        say(run, 0, folder)
        assert run._writer.deliver(20)
        with fault(store):
            for first in range(STEPS, 20 * STEPS, STEPS):  # enough for some pages
                say(run, first, folder)
            if fault is full:
                wait_for_trouble(run)
                assert reason(run._writer.failure) == "its disk is full"
            else:
                time.sleep(0.5)
            assert len(history_without_waiting(store, run.run_id)) < 20 * STEPS
    assert run.undelivered == ""
    check(store, run.run_id, steps=20 * STEPS)


def history_without_waiting(store: Store, run_id: str) -> list:
    """What is in the store, or nothing while another process locks it."""
    path = store.uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            query = "select step from metrics where key = 'loss' and run_uuid = ?"
            return connection.execute(query, [run_id]).fetchall()
        except sqlite3.OperationalError:
            return []


def test_a_store_that_is_locked_to_the_end_and_beyond_has_every_point_once(
    store, folder, monkeypatch
):
    """What still waits for the lock and what `sync` brings arrive at the same time."""
    monkeypatch.setattr(run_module, "PATIENCE", 0.5)
    with start(store, folder) as run:
        identify(run, folder)
        assert run._writer.deliver(20)  # what a run begins with
        lock = locked(store)
        lock.__enter__()
        say(run, 0, folder)
        ended = time.monotonic()
    assert time.monotonic() - ended < 10 and "did not answer in time" in run.undelivered
    lock.__exit__(None, None, None)
    assert main(["sync", str(folder)]) == 0
    check(store, run.run_id, steps=STEPS)


def test_a_process_that_is_killed_while_points_are_unsent_loses_none(store, folder):
    """Neither for a resume, which writes none twice, nor for `sync`."""
    process = subprocess.Popen(
        [sys.executable, "-c", VICTIM, store.uri, store.artifact_root, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    run_id = process.stdout.readline().strip()
    with locked(store):
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        (folder / "run.json").write_text(json.dumps({"run_id": run_id}))
    assert len(history(store, run_id, "loss")) == 1
    with start(store, folder, run_id=run_id) as run:
        for step in range(10, 25):  # the checkpoint was of step 9
            run.log_metrics({"loss": float(step)}, step, replayed=True)
    wanted = [(0, -1.0)] + [(step, float(step)) for step in range(1, 25)]
    assert sorted(history(store, run_id, "loss")) == wanted
    assert store.client().get_run(run_id).info.status == "FINISHED"
    assert main(["sync", str(folder)]) == 0
    assert sorted(history(store, run_id, "loss")) == wanted


def test_an_end_that_was_not_delivered_does_not_end_the_run_that_goes_on(
    store, folder, monkeypatch
):
    """Its status and its reason come before those of the resume."""

    def fail(entry):
        raise ConnectionError("[Errno 111] Connection refused")

    with pytest.raises(ZeroDivisionError), start(store, folder) as run:
        monkeypatch.setattr(run._writer, "_send", fail)
        1 / 0  # noqa: B018
    assert store.client().get_run(run.run_id).info.status == "RUNNING"
    with start(store, folder, run_id=run.run_id) as again:
        assert again._writer.deliver(20)
        assert store.client().get_run(run.run_id).info.status == "RUNNING"
    found = store.client().get_run(run.run_id)
    assert found.info.status == "FINISHED" and "failure" not in found.data.tags
    assert "ZeroDivisionError" in artifact(store, run.run_id, "failure.txt")


def test_impatience_with_a_store_ends_the_waiting_and_not_the_run(store, folder):
    """A run that is complete stays so; the command line still ends as stopped."""

    def silent(entry):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    with start(store, folder) as run:
        assert run._writer.deliver(20)
        run._writer._send = silent
        started = time.monotonic()
        run.end()
        assert time.monotonic() - started < 5 and run.undelivered
        run._writer._send = run._send
    assert run.undelivered.endswith("(it did not answer in time)")


@pytest.fixture
def threads(monkeypatch):
    """What threads of this process end with."""
    found = []
    monkeypatch.setattr(threading, "excepthook", found.append)
    return found


def test_a_run_whose_folder_is_removed_is_recorded_to_its_end(store, folder, threads):
    with pytest.raises(ZeroDivisionError), start(store, folder) as run:
        run.log_metrics({"loss": 0.0}, 0)
        assert run._writer.deliver(20)
        shutil.rmtree(folder)
        run.log_metrics({"loss": 1.0}, 1)
        1 / 0  # noqa: B018
    assert not threads and run.undelivered == ""
    assert history(store, run.run_id, "loss") == [(0, 0.0), (1, 1.0)]
    assert store.client().get_run(run.run_id).info.status == "FAILED"


def test_a_run_whose_disk_fails_ends_by_itself(store, folder, threads, monkeypatch):
    """Neither its end nor the thread raises, and it does not say that all is there."""

    def fail(*args):
        raise OSError(5, "Input/output error")

    with start(store, folder) as run:
        assert run._writer.deliver(20)
        monkeypatch.setattr(os, "pread", fail)
        run.log_metrics({"loss": 0.0}, 0)
        ended = time.monotonic()
    assert time.monotonic() - ended < 5 and not threads
    assert run.undelivered == "what its folder kept for it (Input/output error)"


@pytest.mark.parametrize(
    "line",
    [
        '{"run_id": "x/../y", "store": {}}',
        *('{"points": [[1, 2]]}', '{"points": 3}', '{"sent": "x"}', '{"sent": -1}'),
        *('{"sent": 99999}', '{"params": [1]}', '{"text": "a"}', '{"tags": {"a": {}}}', "[1]"),
    ],
)
def test_a_strangers_journal_is_read_as_far_as_it_is_one(store, folder, threads, line):
    with start(store, folder) as run:
        pass
    (folder / "tracking.jsonl").write_text(f"{line}\n")
    with start(store, folder, run_id=run.run_id) as again:
        again.log_metrics({"loss": 1.0}, 1)
    assert again.undelivered == "" and not threads
    assert history(store, run.run_id, "loss") == [(1, 1.0)]
