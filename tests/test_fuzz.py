"""A few seconds of `benchmarks/fuzz.py`, which is run for minutes where the code has changed."""

from __future__ import annotations

import pytest

from benchmarks import fuzz, fuzz_config, fuzz_data
from electralab.data import columns


@pytest.fixture(autouse=True)
def traces(monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # raise what is no mistake of a user


def test_damaged_data_are_refused_in_a_line_or_prepared():
    fuzz_data.ready()
    ends = {fuzz.execute("data", 1, number) for number in range(40)}
    assert ends == {"refused", "prepared"}


def test_wrong_configurations_are_refused_in_lines():
    fuzz_config.ready()
    ends = {fuzz.execute("config", 1, number) for number in range(40)}
    assert {"refused", "values refused"} <= ends


def test_a_defect_is_found(monkeypatch):
    def broken(value):
        raise ValueError("a defect")

    monkeypatch.setattr(columns, "text_of", broken)
    with pytest.raises(ValueError, match="a defect"):
        for number in range(60):
            fuzz.execute("data", 1, number)
