"""A sweep: every point once, what is finished is not done again, what failed is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from electralab.errors import Interrupted, UserError
from electralab.running import folder as files
from electralab.sweeping import state
from tests.sweeping.conftest import Trainings, folder, record, sweep


def test_every_point_is_run_in_a_folder_named_by_its_signature(trained):
    assert sweep("seed=1,2", "task.mask_prob=0.1,0.2") == 0
    assert trained.done == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]
    assert record()["swept"] == ["seed", "task.mask_prob"] and record()["status"] == "FINISHED"
    for point, (seed, prob) in zip(record()["points"], trained.done, strict=True):
        assert point["values"] == {"seed": seed, "task.mask_prob": prob}
        assert (folder() / point["signature"] / "summary.json").is_file()
    [part, *_] = trained.parts
    assert part.title == "seed=1 task.mask_prob=0.1"
    assert json.loads(part.tags["point"]) == {"seed": 1, "task.mask_prob": 0.1}
    assert part.tags["sweep_id"] == record()["sweep_id"]


def test_equal_points_are_run_once(trained, errors):
    assert sweep("seed=1,1,2", "trainer.learning_rate=1e-3,0.001") == 0
    assert trained.seeds == [1, 2]
    assert "2 points (4 more are the same as others)" in errors()[0]


def test_the_same_command_does_nothing_again(trained, errors):
    assert sweep("seed=1,2") == 0
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2]
    assert any("2 finished before: not run again" in line for line in errors())


def test_added_points_join_the_sweep(trained):
    assert sweep("seed=1,2") == 0
    assert sweep("seed=3,1") == 0
    assert trained.seeds == [1, 2, 3]
    assert [point["values"]["seed"] for point in record()["points"]] == [2, 3, 1]


def test_another_setting_or_another_swept_key_is_another_sweep(trained, here):
    for words in (
        ["seed=1,2"],
        ["seed=1,2", "task.temperature=2"],
        ["seed=1,2", "task.temperature=1,2"],
        ["seed=1,2", "name=other"],
        ["seed=1,2", "hydra.verbose=true"],  # as the first
        ["seed=1,2", "task.preview_steps=5"],  # likewise
    ):
        assert sweep(*words) == 0
    assert len(list(here.glob("outputs/*/sweep-*"))) == 4
    assert len(trained.done) == 2 * 3 + 4


def test_a_failure_stops_no_other_job_and_is_said_twice(trained, errors):
    trained.fail[2] = UserError("`data.path` is bad.")
    assert sweep("seed=1,2,3") == 1
    assert trained.seeds == [1, 2, 3]
    found = errors()
    assert found.index("`data.path` is bad.") < found.index("[3/3] seed=3")
    assert "failed: seed=2: `data.path` is bad." in found and "1 of 3 jobs failed" in found
    assert sum("is bad" in line for line in found) == 2
    assert record()["status"] == "FAILED"
    again = next(line for line in found if "runs the failed ones again" in line)
    assert "electralab -m tracking=off seed=1,2,3" in again


def test_failed_jobs_are_tried_again_and_finished_ones_are_not(trained):
    trained.fail[2] = RuntimeError("out of luck")
    assert sweep("seed=1,2,3") == 1
    trained.fail.clear()
    assert sweep("seed=1,2,3") == 0
    assert trained.seeds == [1, 2, 3, 2]
    assert record()["status"] == "FINISHED"


def test_what_failed_with_a_checkpoint_goes_on_from_it(trained):
    trained.stop[2] = RuntimeError("out of luck")
    assert sweep("seed=1,2") == 1
    trained.stop.clear()
    assert sweep("seed=1,2") == 0
    assert trained.resumed == [2]


def test_what_failed_with_a_damaged_checkpoint_alone_begins_again(trained):
    """Going on from it would fail each time the command is typed."""
    trained.stop[2] = RuntimeError("out of luck")
    assert sweep("seed=1,2") == 1
    trained.stop.clear()
    [file] = folder().glob("*/checkpoints/checkpoint-1/optimizer.pt")
    file.write_text("")
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2, 2] and trained.resumed == []
    assert len(list((folder() / state.ATTEMPTS).iterdir())) == 1


def test_a_reason_holds_no_password(trained):
    trained.fail[2] = UserError("http://me:tiger@host refused, db_password = 'lion'")
    assert sweep("seed=1,2") == 1
    texts = [path.read_bytes() for path in folder().rglob("*") if path.is_file()]
    assert sum(b"***@host refused" in text for text in texts) >= 2  # a summary, a table
    assert not any(word in text for text in texts for word in (b"tiger", b"lion"))


def test_what_failed_without_a_checkpoint_is_put_aside(trained):
    trained.fail[1] = RuntimeError("out of luck")
    assert sweep("seed=1,2") == 1
    [point, _] = record()["points"]
    assert sweep("seed=1,2") == 1
    assert (folder() / state.ATTEMPTS / f"{point['signature']}-1" / "summary.json").is_file()
    assert state.reason(folder() / point["signature"]).startswith("RuntimeError: out of luck")


def test_failed_jobs_can_be_left_alone(trained):
    trained.fail[1] = RuntimeError("out of luck")
    assert sweep("seed=1,2") == 1
    assert sweep("seed=1,2", "sweep.on_failed=skip") == 1  # the sweep still lacks it
    assert trained.seeds == [1, 2]


def test_finished_jobs_can_be_run_again(trained):
    assert sweep("seed=1,2") == 0
    assert sweep("seed=1,2", "sweep.on_finished=rerun") == 0
    assert trained.seeds == [1, 2, 1, 2]
    assert trained.resumed == []


def test_nothing_more_is_started_after_a_failure_if_asked(trained, errors):
    trained.fail[2] = RuntimeError("out of luck")
    assert sweep("seed=1,2,3,4", "sweep.fail_fast=true") == 1
    assert trained.seeds == [1, 2]
    assert "  seed=3: it was not started" in errors()
    trained.fail.clear()
    assert sweep("seed=1,2,3,4", "sweep.fail_fast=true") == 0
    assert trained.seeds == [1, 2, 2, 3, 4]


@pytest.mark.parametrize(
    ("signal", "status"),
    [(Interrupted(130), 130), (Interrupted(143), 143), (KeyboardInterrupt(), 130)],
)
def test_a_signal_ends_the_sweep_and_the_same_command_goes_on(trained, errors, signal, status):
    trained.stop[2] = signal
    assert sweep("seed=1,2,3") == status
    assert trained.seeds == [1, 2] and record()["status"] == "KILLED"
    assert "stopped; the same command goes on with the sweep" in errors()
    trained.stop.clear()
    assert sweep("seed=1,2,3") == 0
    assert trained.seeds == [1, 2, 2, 3] and trained.resumed == [2]


def test_a_sweep_does_not_run_twice_at_once(trained, errors):
    assert sweep("seed=1,2") == 0
    with FileLock(folder() / ".lock"):
        assert sweep("seed=1,2,3") == 2
    [line] = errors()[-1:]
    assert "another process runs it" in line and 3 not in trained.seeds


def test_a_job_that_another_process_finishes_meanwhile_is_left_alone(trained, monkeypatch):
    """A worker of a command that was killed may still be at it; its lock is waited for."""
    assert sweep("seed=1,2") == 0
    [first, _] = record()["points"]
    place = folder() / first["signature"]
    summary = (place / "summary.json").read_text()
    (place / "summary.json").unlink()  # as while it runs

    def finish(*_: object) -> None:
        (place / "summary.json").write_text(summary)

    monkeypatch.setattr("electralab.sweeping.record.SweepRecord.close_what_was_killed", finish)
    monkeypatch.setattr("electralab.sweeping.state.put_aside", finish)
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2]


class Elsewhere:
    """A process that goes on with a job, as `electralab resume` does, until it is waited for."""

    def __init__(self, place: Path) -> None:
        self.place = place
        code = "import sys, pathlib; from electralab.running import alive\n"
        code += f"with alive.marked(pathlib.Path({str(place)!r})): print('on', flush=True); input()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", code], **pipes)
        assert self.process.stdout.readline()

    def finish(self, _: float) -> None:
        assert not (self.place / "summary.json").exists()
        metrics = {"eval_probe_auc": 1.0}
        files.write_json(self.place / "summary.json", {"status": "FINISHED", "metrics": metrics})
        self.process.communicate(b"\n")


@pytest.mark.parametrize("search", [[], ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid"]])
def test_a_job_that_is_gone_on_with_by_hand_is_waited_for(trained, monkeypatch, search):
    words = [*search, "seed=1,2"]
    trained.fail[2] = KeyboardInterrupt()
    assert sweep(*words) == 130
    trained.fail.clear()
    sign = next(p["signature"] for p in record()["points"] if p["values"]["seed"] == 2)
    place = folder() / sign
    place.mkdir()
    (place / "run.json").write_text('{"run_id": "12"}')  # killed before a checkpoint
    clock = SimpleNamespace(time=time.time, sleep=Elsewhere(place).finish)
    monkeypatch.setattr("electralab.sweeping.job.time", clock)
    assert sweep(*words) == 0
    assert trained.seeds == [1, 2] and not (folder() / state.ATTEMPTS).exists()


def test_a_job_that_somebody_goes_on_with_meanwhile_is_not_said_to_have_failed(
    trained, monkeypatch
):
    begin, others = Trainings.__call__, []

    def late(self, config, overrides, *, link):
        place = link().folder
        if config.seed == 1 and not others:
            place.mkdir()
            (place / "run.json").write_text('{"run_id": "12"}')
            others.append(Elsewhere(place))
            raise UserError(f"{place} is running in another process")
        begin(self, config, overrides, link=link)

    clock = SimpleNamespace(time=time.time, sleep=lambda pause: others[0].finish(pause))
    monkeypatch.setattr(Trainings, "__call__", late)
    monkeypatch.setattr("electralab.sweeping.job.time", clock)
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [2] and not (folder() / state.ATTEMPTS).exists()


def test_a_full_disk_does_not_hide_what_ended_a_sweep(trained, monkeypatch):
    from electralab.sweeping.record import SweepRecord

    write = SweepRecord._write

    def fill(self, status):
        if status != "RUNNING":
            raise OSError(28, "No space left on device")
        write(self, status)

    monkeypatch.setattr(SweepRecord, "_write", fill)
    trained.fail[1] = Interrupted(143)
    assert sweep("seed=1,2") == 143


def test_a_job_whose_process_died_is_run_again_at_once(trained, monkeypatch, errors):
    """The launcher raises then; nobody else is harmed."""
    alive = Trainings.__call__
    died: list[int] = []

    def die(self, config, overrides, *, link):
        if config.seed == 2 and not died:
            died.append(2)
            raise SystemExit(9)  # no exception that a job could report
        alive(self, config, overrides, link=link)

    monkeypatch.setattr(Trainings, "__call__", die)
    monkeypatch.setattr("electralab.sweeping.launch.launcher", lambda *_, job, **__: _launcher(job))
    assert sweep("seed=1,2,3") == 0
    assert trained.seeds == [1, 2, 3]
    assert any("the launcher stopped early" in line for line in errors())


def _launcher(job):
    def launch(points):
        for point in points:
            try:
                job.run(point.config, point.overrides, sign=point.signature)
            except SystemExit as error:
                raise RuntimeError("a worker died") from error

    return launch


def test_other_data_behind_the_same_size_and_time_is_noticed(trained, here):
    """The signature looks at sizes and times; before work is skipped, contents are compared."""
    import os

    corpus = here / "corpus.txt"
    corpus.write_text("one text of words\n" * 50)
    words = ["data=text", "data.path=corpus.txt", "seed=1,2"]
    assert sweep(*words) == 0
    for point in record()["points"]:
        identity = folder() / point["signature"] / "run.json"
        identity.write_text(json.dumps({**json.loads(identity.read_text()), "contents": "0" * 64}))
    stat = corpus.stat()
    os.utime(corpus, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sweep(*words) == 0
    assert trained.seeds == [1, 2, 1, 2]


def test_other_code_counts_if_asked(trained, monkeypatch):
    assert sweep("seed=1,2") == 0
    monkeypatch.setattr("electralab.tracking.provenance.code", lambda: "other")
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2]
    assert sweep("seed=1,2", "sweep.same_code=true") == 0
    assert trained.seeds == [1, 2, 1, 2]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"status": "FINISHED"'])
def test_a_job_with_half_a_summary_is_run_again(trained, damage):
    assert sweep("seed=1,2") == 0
    [first, _] = record()["points"]
    (folder() / first["signature"] / "summary.json").write_text(damage)
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2, 1]


def test_a_damaged_record_of_the_sweep_harms_no_job(trained):
    assert sweep("seed=1,2") == 0
    (folder() / "sweep.json").write_text('{"points": [{"val')
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2] and len(record()["points"]) == 2


def test_a_job_whose_folder_was_removed_is_run_again(trained):
    assert sweep("seed=1,2") == 0
    shutil.rmtree(folder() / record()["points"][0]["signature"])
    assert sweep("seed=1,2") == 0
    assert trained.seeds == [1, 2, 1]


def test_a_job_goes_on_in_its_own_folder_alone(trained):
    assert sweep("seed=1,2", "resume=auto") == 0  # which for one run means any of its signature
    assert trained.resumed == []
    assert {part.folder.parent for part in trained.parts} == {folder().absolute()}
