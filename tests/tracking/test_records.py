from __future__ import annotations

import json
import shutil

import pytest

from electralab.errors import UserError
from electralab.tracking.records import RunRecord, find_run
from electralab.tracking.run import tracked_run
from electralab.tracking.store import Store

OFF = Store("off")
FIRST, SECOND, THIRD = "ab12" + "0" * 28, "ab34" + "0" * 28, "cd56" + "0" * 28


def make(output_dir, where: str, run_id: str, *, file: str = "run.json"):
    folder = output_dir / where
    folder.mkdir(parents=True)
    (folder / file).write_text(json.dumps({"run_id": run_id}))
    return folder


@pytest.fixture
def out(tmp_path):
    make(tmp_path, "rtd/2026-01-01_10-00-00-aaaaaaaa", FIRST, file="summary.json")
    make(tmp_path, "rtd/2026-01-02_10-00-00-bbbbbbbb", SECOND)
    make(tmp_path, "sweep/2026-01-03_10-00-00-cccccccc/dddddddd", THIRD, file="summary.json")
    return tmp_path


@pytest.mark.parametrize("text", [FIRST, "ab1", "AB12"])
def test_an_id_or_the_beginning_of_one(out, text):
    folder = out / "rtd/2026-01-01_10-00-00-aaaaaaaa"
    assert find_run(text, store=OFF, output_dir=out) == RunRecord(FIRST, folder)


def test_a_run_that_died_early_and_a_job_of_a_sweep(out):
    assert find_run("ab3", store=None, output_dir=out).run_id == SECOND
    assert find_run("c", store=OFF, output_dir=out).folder.name == "dddddddd"


def test_a_folder_as_typed_and_below_output_dir(out, monkeypatch):
    name = "rtd/2026-01-02_10-00-00-bbbbbbbb"
    assert find_run(str(out / name), store=OFF, output_dir="x").run_id == SECOND
    assert find_run(f"{name}/", store=OFF, output_dir=out).run_id == SECOND
    monkeypatch.chdir(out)
    assert find_run(f"./{name}", store=OFF, output_dir="outputs").run_id == SECOND


def test_a_folder_goes_before_an_id(out, monkeypatch):
    make(out, "elsewhere/cd", "ee" * 16)
    monkeypatch.chdir(out / "elsewhere")
    assert find_run("cd", store=OFF, output_dir=out).run_id == "ee" * 16


def test_a_folder_that_is_no_runs_hides_no_id(out, monkeypatch):
    (out / "elsewhere" / "cd").mkdir(parents=True)
    monkeypatch.chdir(out / "elsewhere")
    assert find_run("cd", store=OFF, output_dir=out).run_id == THIRD


def refusal(text, **where) -> str:
    with pytest.raises(UserError) as caught:
        find_run(text, **where)
    assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)
    return str(caught.value)


def test_several_runs_are_listed(out):
    message = refusal("ab", store=OFF, output_dir=out)
    assert "2 runs" in message and FIRST in message and SECOND in message


@pytest.mark.parametrize("text", ["ef99", "no such thing", "", "google/electra-small", "a" * 33])
def test_an_unknown_run_names_the_latest(out, text):
    message = refusal(text, store=OFF, output_dir=out)
    assert "cd560000 (sweep/2026-01-03_10-00-00-cccccccc/dddddddd)" in message


def test_nothing_there_yet(tmp_path):
    assert "There are no runs under" in refusal("ab", store=OFF, output_dir=tmp_path / "none")


def test_damaged_files_are_passed_over(out):
    (out / "rtd/2026-01-01_10-00-00-aaaaaaaa/summary.json").write_text("{half")
    (out / "rtd/2026-01-02_10-00-00-bbbbbbbb/run.json").write_text("[]")
    assert "There is no run" in refusal("ab", store=OFF, output_dir=out)


@pytest.fixture
def stored(store, out):
    """A run in the store whose folder lies somewhere else."""
    with tracked_run(store, experiment="rtd", run_name="a", params={}) as run:
        folder = make(out / "other", "place", run.run_id)
        run.set_tags({"folder": str(folder)})
    return run.run_id, folder


def test_a_run_of_the_store_with_its_folder_elsewhere(store, out, stored):
    run_id, folder = stored
    assert find_run(run_id[:12], store=store, output_dir=out) == RunRecord(run_id, folder)


def test_the_store_makes_a_beginning_ambiguous(store, out, stored):
    run_id, _ = stored
    make(out, "rtd/2026-01-04_10-00-00-eeeeeeee", run_id[:10] + "f" * 22)
    assert "2 runs" in refusal(run_id[:10], store=store, output_dir=out)


def test_a_run_of_the_store_whose_folder_is_gone(store, out, stored):
    run_id, folder = stored
    shutil.rmtree(folder)
    assert "is not on this machine" in refusal(run_id, store=store, output_dir=out)


def test_a_run_of_the_store_that_never_had_a_folder(store, out):
    with tracked_run(store, experiment="rtd", run_name="a", params={}) as run:
        pass
    assert "output_dir=" in refusal(run.run_id, store=store, output_dir=out)
