"""The folder of a run is its own, even where two begin in one second."""

from __future__ import annotations

from datetime import datetime

from electralab.running import folder


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2, 3, 4, 5)


def test_two_runs_of_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "datetime", Clock)
    made = [
        folder.new_run_folder(tmp_path, name="rtd", signature=sign)
        for sign in ("0123abcd", "0123abcd", "0123abcd", "ffffffff")
    ]
    assert [path.name for path in made] == [
        "2026-01-02_03-04-05-0123abcd",
        "2026-01-02_03-04-05-0123abcd-2",
        "2026-01-02_03-04-05-0123abcd-3",
        "2026-01-02_03-04-05-ffffffff",
    ]
    assert all(path.is_dir() for path in made)
