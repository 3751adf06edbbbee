from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import electralab.run
from electralab import cli
from electralab.running import checkpoints
from electralab.running import folder as files
from electralab.tracking import provenance
from tests.conftest import write_corpus


class Trainings:
    """Stands for the main path: leaves the folder of a run, and fails where it is told to.

    Attributes:
        done: The seed and the mask probability of each run that was begun, in order.
        fail: What a run of a seed raises, before it has a folder.
        stop: Likewise, after a checkpoint.
        more: Metrics besides those that follow from the settings.
    """

    def __init__(self) -> None:
        self.done: list[tuple[int, float]] = []
        self.resumed: list[int] = []
        self.fail: dict[int, BaseException] = {}
        self.stop: dict[int, BaseException] = {}
        self.parts: list[Any] = []
        self.more: dict[str, float] = {}

    def __call__(self, config: Any, overrides: list[str], *, link: Any) -> None:
        self.done.append((config.seed, config.task.mask_prob))
        if config.resume:
            self.resumed.append(config.seed)
        part = link()
        self.parts.append(part)
        if config.seed in self.fail:
            raise self.fail[config.seed]
        part.folder.mkdir(parents=True, exist_ok=True)
        identity = {"run_id": f"{len(self.done):032x}", "code": provenance.code()}
        (part.folder / files.IDENTITY).write_text(json.dumps(identity))
        if config.seed in self.stop:
            checkpoint = part.folder / files.CHECKPOINTS / "checkpoint-1"
            checkpoint.mkdir(parents=True, exist_ok=True)
            for name in ("trainer_state.json", "optimizer.pt"):
                (checkpoint / name).write_text("{}")
            checkpoints.seal(checkpoint, due=True)
            raise self.stop[config.seed]
        metrics = {"eval_probe_auc": config.seed + config.task.mask_prob, "tokens_per_second": 9.0}
        metrics |= self.more
        summary = {"status": "FINISHED", "metrics": metrics, "seconds": 1.0}
        (part.folder / files.SUMMARY).write_text(json.dumps(summary))

    @property
    def seeds(self) -> list[int]:
        return [seed for seed, _ in self.done]


@pytest.fixture
def trained(monkeypatch, here) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(electralab.run, "execute", trainings)
    return trainings


@pytest.fixture
def errors(capsys):
    return lambda: capsys.readouterr().err.splitlines()


def sweep(*words: str) -> int:
    """Types a sweep that is recorded nowhere."""
    return cli.main(["-m", "tracking=off", *words])


def folder(name: str = "rtd") -> Path:
    """The folder of the only sweep."""
    [found] = Path("outputs", name).glob("sweep-*")
    return found


def record() -> dict[str, Any]:
    """The only sweep's ``sweep.json``."""
    return json.loads((folder() / "sweep.json").read_text())


@pytest.fixture(scope="session")
def parallel_place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("parallel")
    write_corpus(root / "corpus.txt", documents=120)
    return root


@pytest.fixture
def words(parallel_place, monkeypatch) -> list[str]:
    """A command of two points, in a folder with its data."""
    from tests.sweeping.beside import SHORT

    monkeypatch.chdir(parallel_place)
    return ["data=text", "data.path=corpus.txt", *SHORT, "seed=1,2"]


@pytest.fixture(scope="session")
def straight(parallel_place) -> dict[int, tuple]:
    """What the two points come to, one after another and undisturbed."""
    from tests.sweeping.beside import SHORT, STEPS, results

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(parallel_place)
        words = ["data=text", "data.path=corpus.txt", *SHORT, *STEPS, "seed=1,2"]
        assert cli.main(["-m", *words, "name=straight", "tracking=off"]) == 0
        return results("straight")
