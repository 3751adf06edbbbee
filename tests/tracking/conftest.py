"""Stores for the tests: one made once and copied, for making one takes seconds."""

from __future__ import annotations

import os
import shutil

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

from electralab.config import TrackingConfig
from electralab.tracking.store import Store, open_store

LOCAL = TrackingConfig(mode="local", uri=None)
OFF = TrackingConfig(mode="off", uri=None)


def server(uri: str) -> TrackingConfig:
    return TrackingConfig(mode="server", uri=uri)


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    open_store(LOCAL, output_dir=folder)
    return folder / "mlflow.db"


@pytest.fixture
def store(tmp_path, fresh_database) -> Store:
    """A local store in a folder of its own."""
    shutil.copy(fresh_database, tmp_path / "mlflow.db")
    return open_store(LOCAL, output_dir=tmp_path)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory, monkeypatch):
    """Every test stands in an empty folder, which must stay empty."""
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    yield
    assert list(folder.iterdir()) == []
