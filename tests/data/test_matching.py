"""Globs end where links lead in circles, and mean what a shell means."""

from __future__ import annotations

import pytest

from electralab.data.matching import matching


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in (
        "a.txt",
        "deep/b.txt",
        "deep/er/c.txt",
        ".hidden/d.txt",
        "deep/.e.txt",
        "deep/f.md",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.txt", ["a.txt", "deep/b.txt", "deep/er/c.txt"]),
        ("deep/**", ["deep/b.txt", "deep/er/c.txt", "deep/f.md"]),
        ("d*/**/[bc].txt", ["deep/b.txt", "deep/er/c.txt"]),
        ("*/*.txt", ["deep/b.txt"]),
        (".hidden/*", [".hidden/d.txt"]),
        ("**x/*.txt", []),
        ("deep", []),
    ],
)
def test_what_a_pattern_means(tree, pattern, expected):
    assert [str(path) for path in matching(pattern)] == expected
    whole = [str(path) for path in matching(str(tree / pattern))]
    assert whole == [str(tree / name) for name in expected]


def test_links_to_their_own_folder_are_not_followed_for_ever(tree):
    for name in ("one", "two", "deep/three"):  # two of them are 2 ** 40 paths to `glob`
        (tree / name).symlink_to(tree)
    names = ["a.txt", "deep/b.txt", "deep/er/c.txt"]
    assert [str(path) for path in matching("**/*.txt")] == names
