"""What is asked of the machine before others are."""

from __future__ import annotations

import socket

import pytest
from huggingface_hub import constants

from electralab import machine
from electralab.cli import main
from electralab.machine import spare_the_hub
from tests.tasks.classifying import examples, words, write_csv


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr(machine, "_spared", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.example")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def resolver(monkeypatch, error: OSError | None) -> list[str]:
    asked = []

    def getaddrinfo(host, port):
        asked.append(host)
        if error is not None:
            raise error
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    ("error", "offline"), [(socket.gaierror(-2, "unknown"), True), (None, False)]
)
def test_a_hub_without_an_address_is_not_asked(monkeypatch, error, offline):
    asked = resolver(monkeypatch, error)
    spare_the_hub()
    assert constants.HF_HUB_OFFLINE is offline and asked == ["hub.example"]
    resolver(monkeypatch, None)  # the network is back
    spare_the_hub()
    assert not constants.HF_HUB_OFFLINE


def test_who_asked_for_no_network_keeps_it(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = resolver(monkeypatch, None)
    spare_the_hub()
    assert constants.HF_HUB_OFFLINE and asked == []


def test_a_hub_name_without_a_network_is_refused_in_one_line(monkeypatch, here, capsys):
    asked = resolver(monkeypatch, socket.gaierror(-2, "unknown"))
    write_csv(here / "data.csv", examples(20))
    model = ["model=auto", "model.name_or_path=nobody/nothing", "tracking=off"]
    own = [word for word in words("data.csv") if not word.startswith("model")]
    assert main([*own, *model]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "`model.name_or_path`" in line and "nobody/nothing" in line
    assert asked == ["hub.example"] and constants.HF_HUB_OFFLINE


def test_behind_a_proxy_names_are_the_proxys_business(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    asked = resolver(monkeypatch, OSError())
    spare_the_hub()
    assert not constants.HF_HUB_OFFLINE and asked == []
