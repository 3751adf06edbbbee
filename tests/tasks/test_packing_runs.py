"""Whole runs on texts kept apart and in phases: what they say, and that resuming is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from electralab.cli import main
from tests.conftest import TINY

PHASES = "task.phases=[{length:16,share:0.5},{length:32,share:0.5}]"


def command(corpus, task: str, *words: str) -> list[str]:
    data = ["data=text", f"data.path={corpus}", "name=apart", "tracking=off"]
    dropout = ["model.dropout=0.1", "model.attention=sdpa"]  # on a GPU too, where flex has none
    return [f"task={task}", *data, *TINY, *dropout, *words]


def only_run(here: Path) -> Path:
    [run] = (here / "outputs" / "apart").iterdir()
    return run


def resumed_from(run: Path, step: int) -> dict[str, torch.Tensor]:
    """Goes on from a checkpoint as if the run had been stopped there."""
    (run / "summary.json").unlink()
    shutil.rmtree(run / "model")
    for checkpoint in (run / "checkpoints").iterdir():
        if int(checkpoint.name.rpartition("-")[2]) > step:
            shutil.rmtree(checkpoint)
    assert main(["resume", str(run)]) == 0
    return load_file(run / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("task", ["rtd", "mlm"])
def test_texts_kept_apart(corpus, here, capsys, task):
    words = command(corpus, task, "data.packing=separate")
    assert main(words) == 0
    run = only_run(here)
    packing = json.loads((run / "data.json").read_text())["packing"]
    assert packing["kind"] == "separate" and packing["train"]["texts_a_row"] > 1
    assert 0.8 < packing["train"]["filled"] <= 1 and packing["validation"]["filled"] > 0.5
    line = f"packing separate, {packing['train']['texts_a_row']:.1f} texts a row, "
    line += f"{100 * packing['train']['filled']:.1f} % filled"
    shown = capsys.readouterr()
    assert line in shown.err and line in (run / "run.log").read_text()
    assert "filled in" in shown.err  # a preview
    assert main(["check", *words]) == 0
    assert line in capsys.readouterr().out
    straight = load_file(run / "model" / "model.safetensors")
    assert same(straight, resumed_from(run, 3))


@pytest.mark.parametrize(("task", "packing"), [("rtd", "separate"), ("mlm", "concat")])
def test_phases_go_on_from_their_middle_and_from_their_border(corpus, here, capsys, task, packing):
    words = command(corpus, task, f"data.packing={packing}", PHASES, "trainer.save_steps=1")
    words += ["trainer.gradient_accumulation_steps=2", "trainer.save_total_limit=null"]
    lines = [
        "phase 1  3 steps, batches of 8 rows of 16 tokens",
        "phase 2  3 steps, batches of 4 rows of 32 tokens",
    ]
    assert main(["check", *words]) == 0
    assert all(line in capsys.readouterr().out for line in lines[:1])
    assert main(words) == 0
    shown = capsys.readouterr().err
    assert all(line in shown for line in lines)
    run = only_run(here)
    straight = load_file(run / "model" / "model.safetensors")
    for step in (4, 3, 2):
        assert same(straight, resumed_from(run, step)), step
