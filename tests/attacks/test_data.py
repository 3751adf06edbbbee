"""The folder of a data set is anyone's: no script, no pickle, no file of elsewhere."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import pytest
import torch

from electralab.cli import main
from tests.attacks.conftest import Bomb
from tests.conftest import TINY

pytestmark = pytest.mark.usefixtures("bounded")


def card(folder: Path, configs: str) -> None:
    (folder / "README.md").write_text(f"---\nconfigs: {configs}\n---\n")


def elsewhere(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("hunter2\n" * 50)
    card(folder, '[{config_name: default, data_files: [{split: train, path: "../secret.txt"}]}]')


def script(folder: Path) -> None:
    (folder / "ds.py").write_text("import os\nos.mkdir('marker')\n")
    (folder / "a.txt").write_text("text\n" * 50)


def archive(folder: Path) -> None:
    stream = io.BytesIO()
    torch.save(Bomb(folder.parent / "marker"), stream)
    contents = {"a.pth": stream.getvalue(), "a.pickle": pickle.dumps(Bomb(Path("marker")))}
    with tarfile.open(folder / "train.tar", "w") as file:
        for name, content in (contents | {"../../marker": b"x"}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))


REFUSED = {
    "a script": (script, "Dataset scripts are no longer supported"),
    "a file of elsewhere": (elsewhere, "`data.name`: ds must hold its own files, but names"),
    "an object": (
        lambda folder: card(folder, "!!python/object/apply:os.mkdir [marker]"),
        "`data.name`: ds cannot be loaded: could not determine a constructor",
    ),
    "pickles in an archive": (archive, "`data.name`: ds cannot be loaded"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_data_set_that_attacks_is_refused(here, marker, capsys, name):
    change, said = REFUSED[name]
    folder = here / "ds"
    folder.mkdir()
    change(folder)
    assert main(["data=hub", "data.name=ds", *TINY]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line and "hunter2" not in line
