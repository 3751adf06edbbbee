"""Checkpoints on disk: every damage is found, what is kept, and what a full disk leaves."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from electralab.cli import main
from electralab.running import checkpoints
from tests.conftest import TINY

NAMES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", checkpoints.STATE)


def write(place: Path, step: int, *, due: bool = True, best: int | None = None) -> Path:
    """Writes a small checkpoint with a manifest."""
    folder = place / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    save_file({"weight": np.arange(99.0)}, folder / NAMES[0])
    for name in NAMES[1:4]:
        torch.save({"state": torch.arange(99)}, folder / name)
    state = {"global_step": step}
    if best:
        state["best_model_checkpoint"] = f"/where/it/was/before/checkpoint-{best}"
    (folder / checkpoints.STATE).write_text(json.dumps(state))
    checkpoints.seal(folder, due=due)
    return folder


def names(place: Path) -> set[str]:
    return {path.name for path in (place / "checkpoints").iterdir()}


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def change_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("hurt", [Path.unlink, cut_off, change_a_byte])
@pytest.mark.parametrize("name", [*NAMES, checkpoints.MANIFEST])
def test_every_damage_is_found_and_the_one_before_is_taken(tmp_path, name, hurt):
    before, newest = write(tmp_path, 4), write(tmp_path, 12)
    assert checkpoints.find_whole(tmp_path) == (newest, [])
    hurt(newest / name)
    if name == checkpoints.MANIFEST and hurt is Path.unlink:
        return  # which makes it one of an earlier version
    found, [line] = checkpoints.find_whole(tmp_path)
    assert found == before and str(newest) in line
    assert name in line or name == checkpoints.MANIFEST  # which says it of another file


@pytest.mark.parametrize("hurt", [Path.unlink, cut_off, change_a_byte])
@pytest.mark.parametrize("name", NAMES)
def test_without_a_manifest_what_can_be_seen_is_found(tmp_path, name, hurt):
    checkpoint = write(tmp_path, 4)
    (checkpoint / checkpoints.MANIFEST).unlink()
    assert checkpoints.damage(checkpoint) is None
    hurt(checkpoint / name)
    unseen = hurt is change_a_byte and name in (NAMES[0], checkpoints.STATE)  # have no checksum
    assert unseen or name in checkpoints.damage(checkpoint)


def test_a_checkpoint_whose_best_one_is_damaged_is_passed_over(tmp_path):
    best, _, first = write(tmp_path, 8), write(tmp_path, 12, best=8), write(tmp_path, 4)
    assert checkpoints.find_whole(tmp_path)[1] == []
    cut_off(best / NAMES[0])
    found, [one, other] = checkpoints.find_whole(tmp_path)
    assert found == first and str(best) in one and str(best) in other


def test_rotation_keeps_the_newest_and_the_best_and_nothing_that_a_signal_asked_for(tmp_path):
    best = write(tmp_path, 2)
    for step in (4, 6, 8):
        newest = write(tmp_path, step)
    write(tmp_path, 7, due=False)
    write(tmp_path, 10)  # passed over as damaged before
    checkpoints.rotate(newest, limit=2, best=str(best))
    assert names(tmp_path) == {"checkpoint-2", "checkpoint-6", "checkpoint-8"}


def test_what_a_kill_left_is_no_checkpoint_and_goes_away(tmp_path):
    whole, half = write(tmp_path, 4), write(tmp_path, 8)
    half.rename(checkpoints.unfinished(half))
    assert checkpoints.find_whole(tmp_path) == (whole, [])
    checkpoints.clear(whole.parent)
    assert names(tmp_path) == {"checkpoint-4"}


def test_a_checkpoint_takes_the_place_of_another_of_its_step(tmp_path):
    checkpoint = write(tmp_path, 4)
    cut_off(checkpoint / NAMES[0])
    again = write(tmp_path / "new", 4)
    checkpoints.put(again, checkpoint)
    assert checkpoints.damage(checkpoint) is None and names(tmp_path) == {"checkpoint-4"}


ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 588992 vs 588884"),
]


@pytest.mark.parametrize(("name", "error"), [("optimizer.pt", ERRORS[1]), ("model", ERRORS[0])])
def test_a_full_disk_is_one_line_and_leaves_what_was_saved(
    corpus, here, monkeypatch, capsys, name, error
):
    from electralab.running import folder as files

    def full(*args, **kwargs):
        raise error

    place = {"optimizer.pt": (torch, "save"), "model": (files, "sync_tree")}[name]
    with monkeypatch.context() as patch:
        function, calls = getattr(*place), []

        def saving(*args, **kwargs):
            path = str(args[-1])
            calls.append(path)
            second = path.endswith("checkpoint-6/optimizer.pt") or path.endswith("/.model")
            return (full if second else function)(*args, **kwargs)

        patch.setattr(*place, saving)
        assert main(["data=text", f"data.path={corpus}", *TINY, "tracking=off"]) == 1
    said = capsys.readouterr().err.splitlines()
    [line] = [one for one in said if one.startswith("The disk of ")]
    [run] = here.glob("outputs/rtd/*")
    assert " full (" in line and f"electralab resume {run}" in line
    last = {"checkpoint-3"} if name == "optimizer.pt" else {"checkpoint-3", "checkpoint-6"}
    assert names(run) == last and not (run / ".model").exists()
    if name == "model":
        assert main(["resume", str(run)]) == 0
