"""The wheel holds the groups and the recipes, so that it works from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

ROOT = Path(__file__).parents[1]
# The test process runs from the checkout; this says where a process finds the package instead.
WHERE = "import electralab, electralab.conf; print(electralab.__file__, electralab.conf.__file__)"


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def isolation() -> list[str]:
    """Saves the download of setuptools where there is one that serves."""
    try:
        serves = Version(version("setuptools")) >= Version("77")
    except PackageNotFoundError:
        serves = False
    return ["--no-build-isolation"] if serves else []


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder into which a wheel of this checkout is installed, alone."""
    pytest.importorskip("pip", reason="the environment of another installer")
    root = tmp_path_factory.mktemp("wheel")
    source, target = root / "source", root / "installed"
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", "conf", "experiments"):
        shutil.copytree(ROOT / folder, source / folder, ignore=skipped)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, source)
    pip("wheel", "--no-deps", *isolation(), "--wheel-dir", root, source)
    [wheel] = root.glob("*.whl")
    pip("install", "--no-deps", "--target", target, wheel)
    return target


def run(installed: Path, here: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=here, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_groups_and_recipes_is_there(installed):
    for folder, inside in (("conf", "conf"), ("experiments", "conf/experiment")):
        wanted = {file.relative_to(ROOT / folder) for file in (ROOT / folder).rglob("*.yaml")}
        place = installed / "electralab" / inside
        assert wanted <= {file.relative_to(place) for file in place.rglob("*.yaml")}
    modules = {file.relative_to(ROOT / "src") for file in (ROOT / "src").rglob("*.py")}
    assert modules <= {file.relative_to(installed) for file in installed.rglob("*.py")}


def test_a_recipe_composes_from_an_empty_folder(installed, here):
    found = run(installed, here, "-c", WHERE).split()
    assert [Path(file).is_relative_to(installed) for file in found] == [True, True]
    config = yaml.safe_load(
        run(installed, here, "-m", "electralab", "experiment=demo", "--cfg", "job")
    )
    assert config["name"] == "demo" and config["model"]["tokenizer"] == "train"
    assert run(installed, here, "-m", "electralab", "check", "experiment=demo").startswith("ok ")
    assert list(here.iterdir()) == []


def test_a_persons_own_groups_and_recipes_join_those_of_the_wheel(installed, here, tmp_path):
    own = tmp_path / "own"
    (own / "experiment").mkdir(parents=True)
    (own / "model").mkdir()
    (own / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - demo\n  - override /model: mine\n  - _self_\n"
        "name: mine\n"
    )
    (own / "model" / "mine.yaml").write_text(
        "defaults:\n  - electra_tiny\n  - _self_\nvocab_size: 512\n"
    )
    words = ["-m", "electralab", "--config-dir", str(own), "experiment=mine", "--cfg", "job"]
    config = yaml.safe_load(run(installed, here, *words))
    assert config["name"] == "mine" and config["model"]["vocab_size"] == 512
    assert config["model"]["hidden_size"] == 128


def test_the_command_is_installed(installed):
    assert (installed / "bin" / "electralab").is_file()
