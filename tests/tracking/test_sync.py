"""`electralab sync` of more than one run, and of one whose files are gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electralab.cli import main
from electralab.tracking.run import TrackedRun
from electralab.tracking.store import Store
from tests.tracking.test_lost_store import identify, say
from tests.tracking.test_run import start


@pytest.fixture
def place(tmp_path):
    """What the runs of one name lie in."""
    found = tmp_path / "rtd"
    found.mkdir()
    return found


def refuse(entry):
    raise ConnectionError("[Errno 111] Connection refused")


def leave(store: Store, folder: Path) -> TrackedRun:
    """A run whose end the store was not told."""
    with start(store, folder) as run:
        identify(run, folder)
        assert run._writer.deliver(20)
        run._writer._send = refuse
    return run


def status(store: Store, run: TrackedRun) -> str:
    return store.client().get_run(run.run_id).info.status


def test_what_the_store_has_is_not_asked_for_again_when_its_file_is_gone(store, place, capsys):
    folder = place / "run"
    with start(store, folder) as run:
        identify(run, folder)
        say(run, 0, folder)
    (folder / "file0.txt").unlink()
    assert main(["sync", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: {store} has everything\n"


@pytest.mark.parametrize("sweep", ["", "sweep-1"])
def test_sync_of_a_chain_brings_its_runs_too(store, place, sweep):
    if sweep:
        (place / sweep).mkdir()
        (place / sweep / "sweep.json").write_text("{}")
    runs = [leave(store, place / name) for name in ("adapt", "arm", "other")]
    chain = leave(store, place / sweep / "chain")
    ids = {"adapt": runs[0].run_id, "adapted": [runs[1].run_id], "gone": ["0" * 32]}
    summary = {"run_id": chain.run_id, "runs": ids, "undelivered": "its status"}
    (place / sweep / "chain" / "summary.json").write_text(json.dumps(summary))
    assert main(["sync", str(place / (sweep or "chain"))]) == 0
    found = [status(store, run) for run in (chain, *runs)]
    assert found == ["FINISHED", "FINISHED", "FINISHED", "RUNNING"]


def test_sync_of_a_sweep_goes_on_behind_a_job_that_it_cannot_bring(store, place, capsys):
    (place / "sweep.json").write_text("{}")
    runs = [leave(store, place / name) for name in "abc"]
    store.client().delete_run(runs[1].run_id)
    assert main(["sync", str(place)]) == 2
    assert [status(store, run) for run in runs] == ["FINISHED", "RUNNING", "FINISHED"]
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The run {runs[1].run_id} is deleted")
