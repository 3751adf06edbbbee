"""Every file of `experiments/`: it passes its own check, and runs a few steps as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from electralab.cli import main
from tests.conftest import TINY
from tests.tasks import translating
from tests.tiny_chain import ADAPT, DATA, STEPS, folders, write_tables
from tests.tiny_chain import summary as summary_of

FOLDER = Path(__file__).parents[1] / "experiments"
RECIPES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
# The others name data and models of the hub; tests/test_tutorials.py runs them on stand-ins.
ALONE = [name for name in RECIPES if not name.startswith("tutorial_")]
CHAIN = "/chain"  # what recipes of two stages stand on


def settings(node: dict[str, Any], *outer: str) -> Iterator[tuple[str, Any]]:
    """Yields the keys of a recipe and of those that it stands on, with dots, and their values."""
    for base in node.pop("defaults", []):
        if isinstance(base, str) and base not in ("_self_", CHAIN):
            yield from settings(read(base))
    for name, value in node.items():
        if isinstance(value, dict):
            yield from settings(value, *outer, name)
        else:
            yield ".".join((*outer, name)), value


def read(recipe: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{recipe}.yaml").read_text(encoding="utf-8"))


def is_chain(recipe: str) -> bool:
    bases = [base for base in read(recipe).get("defaults", []) if isinstance(base, str)]
    return CHAIN in bases or any(map(is_chain, set(bases) - {"_self_"}))


def at(config: dict[str, Any], key: str) -> Any:
    for name in key.split("."):
        config = config[name]
    return config


def test_there_are_recipes():
    assert "demo" in RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_says_the_command_that_runs_it(recipe):
    command, *_ = (FOLDER / f"{recipe}.yaml").read_text(encoding="utf-8").splitlines()
    assert command.startswith("# electralab ") and f"experiment={recipe}" in command.split()


@pytest.mark.parametrize("recipe", ALONE)
def test_it_passes_the_check(recipe, here, capsys):
    assert main(["check", f"experiment={recipe}"]) == 0
    assert capsys.readouterr().out.startswith("ok ")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("recipe", filter(is_chain, RECIPES))
def test_a_chain_runs_a_few_steps_with_all_that_it_says(recipe, here):
    write_tables(here)
    small = [*DATA, *ADAPT, *STEPS, "tracking=off"]
    assert main([f"experiment={recipe}", *small]) == 0
    said = dict(settings(read(recipe)))
    [folder] = folders(here, said["name"])["chain"]
    found = summary_of(folder)
    assert found["status"] == "FINISHED"
    assert any(name.startswith("gain.test_") for name in found["metrics"])
    keeps(folder, said, small)


@pytest.mark.parametrize("recipe", [name for name in ALONE if not is_chain(name)])
def test_it_runs_a_few_steps_with_all_that_it_says(recipe, corpus, here):
    if recipe == "translate_ui_strings":
        small = ["tracking=off", *translating.words(translating.write_pairs(here / "pairs.jsonl"))]
    else:
        small = ["model=electra_tiny", "data=text", f"data.path={corpus}", "tracking=off", *TINY]
    small += ["trainer.max_steps=2", "trainer.eval_steps=2", "trainer.save_steps=2"]
    assert main([f"experiment={recipe}", *small]) == 0
    said = dict(settings(read(recipe)))  # the last one counts
    [run] = (here / "outputs" / said["name"]).iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "FINISHED" and summary["metrics"]["eval_loss"] > 0
    keeps(run, said, small)


def keeps(run: Path, said: dict[str, Any], small: list[str]) -> None:
    """Asserts that a run has all that its recipe says, but for what was typed."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    changed = {word.partition("=")[0] for word in small}
    kept = {key: value for key, value in said.items() if key not in changed}
    assert kept and {key: at(config, key) for key in kept} == kept
