"""A recipe is anyone's: it makes no objects, writes nowhere else, and fills no memory.

What of `_target_` and Hydra's other ways to run code is refused stands in
`tests/command/test_compose.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from electralab.cli import main

pytestmark = pytest.mark.usefixtures("bounded")

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
ECHOES = "trainer:\n  a0: xxxx\n" + "".join(
    f"  a{i}: {f'${{trainer.a{i - 1}}}' * 4}\n" for i in range(1, 30)
)
SWEEP = "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: range(0,1000000000)\n"


def recipe(text: str) -> list[str]:
    file = Path("mine", "experiment", "evil.yaml")
    file.parent.mkdir(parents=True)
    file.write_text(f"# @package _global_\n{text}")
    return ["--config-dir", "mine", "experiment=evil", "data=text", "data.path=corpus.txt"]


REFUSED = {
    "a billion laughs": (LAUGHS, "its aliases stand for more than 20,000 values"),
    "a laugh inside itself": ("a: &a [*a]\n", "one of its aliases stands inside"),
    "an object": ("name: !!python/object/apply:os.mkdir [marker]\n", "makes an object"),
    "a path": ("name: !!python/object/apply:pathlib.Path [x]\n", "makes an object"),
    "a depth": (f"name: {'[' * 5000}\n", "it is nested too deeply"),
    "a size": (f"name: {'x' * 5_000_000}\n", "it is larger than 200,000 bytes"),
    "echoes": (ECHOES, "cannot be resolved: it needs more than 500 references"),
    "a billion points": (
        SWEEP,
        "`seed` must have at most 10,000 values, but is range(0,1000000000)",
    ),
    "Hydra's files": ("hydra:\n  output_subdir: ../marker\n", "`hydra.output_subdir` must be null"),
    "Hydra's folder": ("hydra:\n  run:\n    dir: ../marker\n", "`hydra.run.dir` must not be set"),
    "Hydra's log": ("hydra:\n  job:\n    name: ../marker\n", "`hydra.job.name` must be no path"),
    "a name that climbs": ("name: ../../marker\n", "`name` must be up to 100 letters"),
    "a secret": ("name: ${oc.env:EVIL_TOKEN}\n", "`name` must not be the secret EVIL_TOKEN"),
    "code": ("data:\n  _target_: os.mkdir\n", "`data._target_` must not stand in a configuration"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_recipe_that_attacks_is_refused(marker, capsys, monkeypatch, name):
    monkeypatch.setenv("EVIL_TOKEN", "hunter2hunter2")
    text, said = REFUSED[name]
    before = {path.name for path in Path("..").iterdir()}
    assert main(recipe(text)) == 2
    shown = capsys.readouterr().err
    assert any(said in line for line in shown.splitlines()), shown
    assert "hunter2" not in shown and "Traceback" not in shown
    assert {path.name for path in Path("..").iterdir()} == before
    assert {path.name for path in Path().iterdir()} == {"corpus.txt", "mine"}


def test_values_twice_named_are_values(marker, capsys):
    """Aliases as people use them stay."""
    words = recipe("name: &n shared\ntask:\n  name: rtd\nmodel:\n  dropout: &d 0.2\n")
    assert main(["check", *words, "task=rtd"]) == 0
    assert "ok" in capsys.readouterr().out
