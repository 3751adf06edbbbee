"""What a mistake is: how it comes about in a folder, and what must be said of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import TINY

SIZES = [word for word in TINY if not word.startswith("model.")]
RUN = "outputs/rtd/earlier"


@dataclass(frozen=True)
class Base:
    """What cases copy from.

    Args:
        corpus: A file of text.
        run: The folder of a finished run on it, of one step and with one checkpoint.
        export: Its export.
        store: The database that knows it.
    """

    corpus: Path
    run: Path
    export: Path
    store: Path


@dataclass(frozen=True)
class Place:
    """The folder a case stands in.

    Args:
        path: Itself; it is the working directory.
        base: What can be copied here.
    """

    path: Path
    base: Base

    def file(self, name: str, content: bytes | str) -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def folder(self, name: str) -> str:
        (self.path / name).mkdir(parents=True)
        return name

    def part(self, name: str, part: str = "discriminator", **config: object) -> Path:
        """Copies a part of the export, with some fields of its config.json replaced."""
        folder = Path(shutil.copytree(self.base.export / part, self.path / name))
        edit(folder / "config.json", **config)
        return folder

    def run(self) -> Path:
        return Path(shutil.copytree(self.base.run, self.path / RUN))


@dataclass(frozen=True)
class Case:
    """A mistake.

    Args:
        words: Makes it in a folder and returns the command.
        said: What the one line must hold.
        status: The exit status.
    """

    words: Callable[[Place], list[str]]
    said: tuple[str, ...]
    status: int


class Cases(dict[str, Case]):
    """Cases by name; calling it adds one."""

    def __call__(
        self,
        name: str,
        words: Callable[[Place], list[str]] | list[str],
        *said: str,
        status: int = 2,
    ) -> None:
        assert name not in self, name
        self[name] = Case(words if callable(words) else lambda place: words, said, status)


def train(*words: str) -> list[str]:
    """Words of a run from scratch."""
    return ["data=text", "data.path=corpus.txt", *TINY, *words]


def adapt(folder: str | Path, *words: str) -> list[str]:
    """Words of a run that starts from a checkpoint."""
    named = ["model=auto", f"model.name_or_path={folder}"]
    return ["data=text", "data.path=corpus.txt", *named, *SIZES, *words]


def read(source: str, path: str, *words: str) -> list[str]:
    """Words of a run on other data."""
    return train(f"data={source}", f"data.path={path}", *words)


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def halve(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
