"""Disks that fill up or go away in the middle of a run."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess

import pytest

from electralab.cli import main
from electralab.errors import RunFailure
from electralab.running import folder as files
from electralab.running.run_log import RunLog
from electralab.training import disk
from electralab.training.trainer import ExperimentTrainer
from tests.conftest import TINY, write_corpus

RUN = ["data=text", "data.path=corpus.txt", *TINY, "tracking=off", "name=x"]
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def small_disk(tmp_path):
    """Returns a function that gives a disk of so many kB, or makes it larger; only root can."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(kilobytes: int):
        how = "remount," if os.path.ismount(place) else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{how}size={kilobytes}k", "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root can mount a small disk")
        return place

    yield sized
    subprocess.run(["umount", "-l", str(place)], capture_output=True)


@pytest.fixture
def corpus(here):
    return write_corpus(here / "corpus.txt")


def run_of(folder):
    [run] = (path for path in (folder / "x").iterdir() if path.is_dir())
    return run


def prepared(folder) -> dict[str, bytes]:
    """What training reads, by the names of the files."""
    [rows] = (path for path in folder.glob("cache/prepared/*") if path.is_dir())
    return {path.relative_to(rows): path.read_bytes() for path in rows.rglob("*") if path.is_file()}


def test_data_that_does_not_fit_leaves_nothing_that_is_taken_for_whole(small_disk, corpus, capsys):
    """Whichever file fills the disk: what is prepared then is what a large disk gives."""
    for kilobytes in (8, 40, 64, 80):
        place = small_disk(kilobytes)
        assert main([*RUN, f"output_dir={place}"]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"The disk of {place} is full (0.0 MB of 0.") and "free" in line
        assert not (place / "x").exists()
        assert not [path for path in place.glob("cache/prepared/*") if path.is_dir()]
    assert main([*RUN, f"output_dir={small_disk(4000)}"]) == 0
    assert main([*RUN, "output_dir=large"]) == 0
    assert prepared(place) == prepared(corpus.parent / "large")


def test_a_file_of_the_run_that_does_not_fit_is_not_there(corpus, here, monkeypatch, capsys):
    write = files.write_whole

    def full(path, content):
        if path.name == files.HISTORY:
            raise FULL
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_whole", full)
        assert main(RUN) == 1
    *_, line = capsys.readouterr().err.splitlines()
    run = run_of(here / "outputs")
    assert line.startswith("The disk of /") and f"go on with: electralab resume {run}" in line
    summary = json.loads((run / files.SUMMARY).read_text())
    assert summary["status"] == "FAILED" and summary["reason"] == line.rstrip(".")
    assert "Traceback" in (run / files.LOG).read_text() and not (run / files.HISTORY).exists()
    assert main(["resume", str(run)]) == 0 and (run / files.HISTORY).exists()


def test_a_folder_that_goes_away_ends_the_run_and_is_not_made_anew(
    corpus, here, monkeypatch, capsys
):
    step = ExperimentTrainer.training_step

    def removing(trainer, *args, **kwargs):
        if trainer.state.global_step == 3:
            shutil.rmtree(here / "outputs")
        return step(trainer, *args, **kwargs)

    monkeypatch.setattr(ExperimentTrainer, "training_step", removing)
    assert main(RUN) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert "was removed in the middle of the run" in line and not (here / "outputs").exists()


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("16384 requested and 4096 written"),  # of numpy.save
        RuntimeError("basic_ios::clear: iostream error"),  # of torch.save
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_every_library_says_in_its_own_way_that_a_disk_is_full(tmp_path, error):
    wanted = r"^The disk of /.* (is|seems to be) full \([\d.,]+ [MG]B of "
    with pytest.raises(RunFailure, match=wanted), disk.explained(tmp_path):
        raise ValueError("of a wrapper") from error


def test_a_disk_that_became_read_only_is_named_and_other_errors_are_not(tmp_path):
    path = str(tmp_path / "summary.json")
    wanted = r"cannot be written to \(Read-only file system\)"
    with pytest.raises(RunFailure, match=wanted), disk.explained(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system", path)
    for error in (FileNotFoundError(errno.ENOENT, "No such file", path), ValueError("a defect")):
        with pytest.raises(type(error)), disk.explained(tmp_path):
            raise error


def test_the_log_of_a_run_on_a_full_disk_is_quiet(capsys):
    with RunLog() as log, log.written_to("/dev/full"):
        logging.getLogger("electralab.x").info("a line")
    assert capsys.readouterr().err == ""
