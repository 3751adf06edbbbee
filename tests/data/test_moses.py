from __future__ import annotations

import os

import pytest

from electralab.data import lines
from electralab.data.lines import count
from electralab.data.peek import problems
from electralab.data.sources import identity, read
from electralab.errors import UserError

COLUMNS = {"source": "en", "target": "fr"}
LANGUAGES = {"columns.source": "en", "columns.target": "fr"}


@pytest.fixture
def corpus(tmp_path):
    """Two aligned files under the names that OPUS gives, beside what lies in its archives."""
    folder = tmp_path / "en-fr"
    folder.mkdir()
    english = "Close\nA line\u2028with a separator\u0085of another kind\n\nlast"
    (folder / "KDE4.en-fr.en").write_bytes(("\ufeff" + english).encode())
    (folder / "KDE4.en-fr.fr").write_bytes("Fermer\r\nUne ligne\r\nVide\r\ndernière\r\n".encode())
    for name in ("KDE4.en-fr.ids", "README", "LICENSE"):
        (folder / name).write_text("x\n")
    return folder


@pytest.fixture
def config(data_config):
    def of(path, **given):
        values = {"source": "moses", "path": path, "split.validation": None} | LANGUAGES | given
        return data_config(values)

    return of


EXPECTED = [
    {"source": "Close", "target": "Fermer"},
    {"source": "A line\u2028with a separator\u0085of another kind", "target": "Une ligne"},
    {"source": "", "target": "Vide"},
    {"source": "last", "target": "dernière"},
]


@pytest.mark.parametrize("form", ["list", "folder", "prefix", "glob"])
def test_line_n_of_one_file_belongs_to_line_n_of_the_other(config, corpus, tmp_path, form):
    prefix = str(corpus / "KDE4.en-fr")
    path = {
        "list": [f"{prefix}.en", f"{prefix}.fr"],
        "folder": str(corpus),
        "prefix": prefix,
        "glob": f"{corpus}/KDE4.*",
    }[form]
    assert problems(config(path), columns=COLUMNS) == []
    documents = read(config(path), columns=COLUMNS, cache_dir=tmp_path / "cache")
    assert documents.tables["train"].to_list() == EXPECTED


def test_the_endings_say_which_is_the_source(config, corpus, tmp_path):
    config = config(str(corpus), **{"columns.source": "fr", "columns.target": "en"})
    columns = {"source": "fr", "target": "en"}
    table = read(config, columns=columns, cache_dir=tmp_path / "cache").tables["train"]
    assert table[0] == {"source": "Fermer", "target": "Close"}


def test_a_held_out_pair_is_given_by_its_prefix(config, corpus, tmp_path):
    for language in ("en", "fr"):
        (tmp_path / f"dev.{language}").write_text(f"of {language}\n")
    config = config(str(corpus), **{"split.validation": str(tmp_path / "dev")})
    tables = read(config, columns=COLUMNS, cache_dir=tmp_path / "cache").tables
    assert tables["validation"].to_list() == [{"source": "of en", "target": "of fr"}]
    assert len(tables["train"]) == 4


def test_other_files_are_another_source(config, corpus):
    before = identity(config(str(corpus)))
    path = corpus / "KDE4.en-fr.fr"
    os.utime(path, ns=(0, 1_000))
    assert identity(config(str(corpus))) != before


@pytest.mark.parametrize("first", [0, 1])
def test_unequal_line_counts_name_both_files_and_both_counts(config, tmp_path, monkeypatch, first):
    (tmp_path / "a.en").write_text("1\n2\n3")
    (tmp_path / "a.fr").write_text("1\n2\n")
    order = ["en", "fr"] if first == 0 else ["fr", "en"]
    files = [str(tmp_path / f"a.{language}") for language in order]
    counts = (3, 2) if first == 0 else (2, 3)
    expected = [
        "`data.path` must be two aligned files with as many lines, but "
        f"{files[0]} has {counts[0]} and {files[1]} has {counts[1]}; align them anew."
    ]
    assert problems(config(files), columns=COLUMNS) == expected
    monkeypatch.setattr("electralab.data.peek.COUNTED", 0)  # too long for a look
    assert problems(config(files), columns=COLUMNS) == []
    with pytest.raises(UserError) as caught:
        read(config(files), columns=COLUMNS, cache_dir=tmp_path / "cache")
    assert caught.value.problems == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (["a.en"], "but is 1; write data.path=[SOURCE,TARGET]"),
        (["a.en", "a.fr", "b.fr"], "but is 3"),
        (["a.en", "gone.fr"], "gone.fr does not"),
        (["a.en", "a.en"], "both are a.en"),
        ("gone", "ends in .en (`data.columns.source`), but gone means none"),
        ("*.*", "ends in .fr (`data.columns.target`), but *.* means a.fr, b.fr"),
        ("a.en", "ends in .en (`data.columns.source`), but a.en means none"),
    ],
)
def test_what_is_no_pair_of_files(config, tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "a.fr", "b.fr"):
        (tmp_path / name).write_text("x\n")
    (line,) = problems(config(path), columns=COLUMNS)
    assert line.startswith("`data.path` must")
    assert message in line
    assert "\n" not in line


def test_moses_is_for_translation(config, corpus):
    (line,) = problems(config(str(corpus)), columns={"text": "text"})
    assert "choose task=translation, or data=text for one of the files" in line


def test_counting_agrees_with_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", 3)
    path = tmp_path / "a"
    for content in (b"", b"\n", b"a", b"a\n", b"a\n\n", b"a\r\nb", b"\n\n\nabc\n", b"abc\nd"):
        path.write_bytes(content)
        assert count(path) == len(list(lines.lines(path)))
