"""What attacks are tested with: a marker that code of others would leave; little memory, time."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from tests.conftest import write_corpus
from tests.stand_ins import electra_pair

SECONDS, MEMORY = 60, 1 << 30  # for an answer, a busy machine included; bytes on top


class Bomb:
    """A pickle that leaves a marker where it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture(scope="session")
def pair(tmp_path_factory) -> Path:
    """A discriminator and a generator with their tokenizer."""
    folder = tmp_path_factory.mktemp("pair")
    electra_pair(folder)
    return folder


@pytest.fixture
def marker(here):
    """What code of an attacker makes; it must not be there in the end."""
    write_corpus(here / "corpus.txt", documents=60)
    path = here / "marker"
    yield path
    assert not path.exists()


@pytest.fixture
def m(here, pair) -> Path:
    """A model that an attacker may change."""
    return Path(shutil.copytree(pair / "discriminator", here / "m"))


@pytest.fixture
def bounded():
    """Lets the process take little more memory and time than it has."""

    def late(*_):
        raise TimeoutError("no answer in time")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
