"""The record of a chain: who writes it, and what it holds where something goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from electralab.cli import main, parse_flags
from electralab.command.points import checked
from electralab.running import alive
from electralab.running import folder as files
from electralab.running.chain_record import ChainRecord
from electralab.tracking.journal import NAME, iter_entries
from electralab.tracking.run import TrackedRun
from tests.tiny_chain import chain, folders, summary, write_tables


@pytest.fixture
def opened(here):
    """Opens the record of a chain, as its first run does."""
    write_tables(here)

    def record(*words: str) -> ChainRecord:
        [point] = checked(parse_flags(chain(*words))).points
        return ChainRecord(point.config, [])

    return record


def elsewhere(folder: Path, *, keep: bool) -> subprocess.Popen:
    """A process that asks who runs a chain, or runs it."""
    code = f"import pathlib; folder = pathlib.Path({str(folder)!r})\n"
    code += "from electralab.running.alive import marked, who_runs\n"
    if keep:
        code += "with marked(folder): print('on', flush=True); input()"
    else:
        code += "print(who_runs(folder))"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


def test_a_chain_that_runs_is_left_alone(opened, here, capsys):
    with pytest.raises(KeyboardInterrupt), opened("tracking=off") as record:
        record.part("adapt")
        [folder] = folders(here)["chain"]
        said, _ = elsewhere(folder, keep=False).communicate()
        assert said.strip() == f"process {os.getpid()} on {os.uname().nodename}"
        raise KeyboardInterrupt
    assert alive.who_runs(folder) is None
    other = elsewhere(folder, keep=True)
    assert other.stdout.readline()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    capsys.readouterr()
    assert main(["resume", str(folder)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"is running in process {other.pid}" in line
    with opened("tracking=off") as record:  # the same command begins one of its own
        record.part("adapt")
    assert len(folders(here)["chain"]) == 2
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    other.communicate("\n")


def test_a_reason_holds_no_password_and_a_full_disk_hides_none(opened, here, monkeypatch):
    with pytest.raises(RuntimeError), opened("tracking=off") as record:
        record.part("adapt")
        raise RuntimeError("http://me:tiger@host refused")
    [folder] = folders(here)["chain"]
    assert summary(folder)["reason"] == "http://***@host refused"

    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(RuntimeError, match="the reason"), opened("tracking=off") as record:
        record.part("adapt")
        monkeypatch.setattr(files, "write_json", fill)
        raise RuntimeError("the reason")


def test_what_the_store_lacks_stands_in_the_summary(opened, here, monkeypatch):
    describe = files.describe_run

    def killed_after(folder, **more):
        """As long as it cannot be gone on with, its parameters are not lost."""
        assert any("params" in entry for entry in iter_entries(folder / NAME))
        describe(folder, **more)

    monkeypatch.setattr(files, "describe_run", killed_after)
    monkeypatch.setattr(TrackedRun, "end", lambda self, error=None: "5 tags")
    run = {"run_id": "a", "folder": "a", "metrics": {"test_accuracy": 0.5}}
    with opened() as record:
        record.finish({"adapted": [run], "unadapted": [run]}, adapted=run, seconds=1.0)
    [folder] = folders(here)["chain"]
    assert (summary(folder)["status"], summary(folder)["undelivered"]) == ("FINISHED", "5 tags")
    with pytest.raises(RuntimeError), opened() as record:
        record.part("adapt")
        raise RuntimeError("out of luck")
    assert (summary(folder)["status"], summary(folder)["undelivered"]) == ("FAILED", "5 tags")
    assert json.loads((folder / files.IDENTITY).read_text())["task"] == "chain"
