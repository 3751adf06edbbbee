from __future__ import annotations

import json
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electralab.data.peek import problems


@pytest.fixture
def found(data_config):
    def of(values, columns=None):
        result = problems(data_config(values), columns=columns or {"text": "text"})
        assert all("\n" not in line and line.endswith(".") for line in result)
        return result

    return of


@pytest.mark.parametrize("source", ["text", "csv", "json", "parquet"])
def test_file_sources_need_a_path(found, source):
    assert found({"source": source}) == [
        f"`data.path` must be set where `data.source` is {source}, but is null."
    ]


def test_hub_needs_a_name_that_can_be_one(found, tmp_path):
    assert "`data.name` must be set" in found({"source": "hub"})[0]
    missing = str(tmp_path / "nowhere")
    assert missing in found({"source": "hub", "name": missing})[0]
    assert found({"source": "hub", "name": "wikimedia/wikipedia"}) == []


def test_keys_of_another_source_are_refused_not_ignored(found, corpus):
    assert "choose data=text" in found({"source": "python_docs", "path": corpus})[0]
    assert "choose data=hub" in found({"source": "text", "path": corpus, "name": "a/b"})[0]
    line = found({"source": "python_docs", "split.validation": corpus})[0]
    assert "`data.split.validation` must be a share or null" in line


def test_every_path_that_means_nothing_is_named_with_its_key(found, tmp_path, corpus):
    (tmp_path / "empty").mkdir()
    lines = found(
        {
            "source": "text",
            "path": [str(tmp_path / "gone.txt"), str(tmp_path / "*.log"), str(tmp_path / "empty")],
            "split.validation": str(tmp_path / "valid.txt"),
        }
    )
    assert [line.split(" ")[0] for line in lines] == ["`data.path`"] * 3 + [
        "`data.split.validation`"
    ]
    assert "gone.txt does not" in lines[0]
    assert "*.log matches none" in lines[1]
    assert "the folder" in lines[2]
    assert ".txt" in lines[2]


def test_shares_must_leave_something(found):
    line = found({"source": "python_docs", "split.validation": 0.5, "split.test": 0.5})[0]
    assert "must leave documents to train on" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n\t\n", "has only blanks"),
        (b"fine\nthen \0 binary", "line 2: the file must be UTF-8 text"),
        (b"\xff\xfet\0e\0x\0t\0", "line 1: the file must be UTF-8 text"),
        (b"fine\ncaf\xe9 cr\xe8me\n", "line 2, byte 9: the file must be UTF-8"),
    ],
)
def test_what_is_no_text(found, tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    lines = found({"source": "text", "path": str(path)})
    assert len(lines) == 1
    assert message in lines[0]
    assert str(path) in lines[0]


def test_a_character_across_the_end_of_the_head_is_no_mistake(found, tmp_path):
    path = tmp_path / "a.txt"
    for shift in range(4):
        path.write_bytes(b"x" * shift + "가".encode() * 40_000)
        assert found({"source": "text", "path": str(path)}) == []


def test_columns_are_looked_up_in_header_record_and_schema(found, tmp_path):
    (tmp_path / "a.csv").write_text("\ufeffid,text\n1,fine\n")
    (tmp_path / "a.tsv").write_text("id\ttext\n1\tfine\n")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "fine"}\n')
    (tmp_path / "list.json").write_text(json.dumps([{"id": 1, "text": "fine"}], indent=1))
    pq.write_table(pa.table({"id": [1], "text": ["fine"]}), tmp_path / "a.parquet")
    for name, source in {
        "a.csv": "csv",
        "a.tsv": "csv",
        "a.jsonl": "json",
        "list.json": "json",
        "a.parquet": "parquet",
    }.items():
        values = {"source": source, "path": str(tmp_path / name)}
        assert found(values) == []
        (first, second) = found(values, {"text": "txt", "label": "idd"})
        assert "it has id, text (did you mean text?)" in first
        assert "`data.columns.label`" in second
        assert "it has id, text (did you mean id?)" in second
        assert name in first


def test_a_column_inside_of_a_record_is_found(found, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "translation": {"en": "a", "fr": "b"}, "source": "x"}\n')
    values = {"source": "json", "path": str(path)}
    assert found(values, {"source": "en", "target": "translation.fr"}) == []
    (line,) = found(values, {"source": "en", "target": "de"})
    assert "it has id, translation.en, translation.fr, source" in line


def test_text_has_no_columns(found, corpus):
    values = {"source": "text", "path": corpus}
    (line,) = found(values, {"text": "text", "label": "label"})
    assert "`data.source` must have columns for text and label, but is text" in line
    assert "choose data=csv, json, parquet or hub." in line
    assert "data=moses" in found(values, {"source": "en", "target": "fr"})[0]


def test_two_roles_want_two_columns(found, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    values = {"source": "csv", "path": str(tmp_path / "a.csv")}
    (line,) = found(values, {"text": "a", "text_pair": "a", "label": "b"})
    assert line == (
        "`data.columns.text_pair` must be another column than `data.columns.text`, but is a too."
    )


def test_embedded_sources_have_columns_of_their_own(found):
    assert found({"source": "python_docs_pairs"}, {"text": "summary", "label": "label"}) == []
    (line,) = found({"source": "python_docs_library"}, {"text": "text", "label": "label"})
    assert line.startswith("`data.columns.label` must be a column of data=python_docs_library")
    assert "it has text, library" in line


def test_a_file_that_is_no_parquet(found, tmp_path):
    (tmp_path / "a.parquet").write_text("id,text\n")
    (line,) = found({"source": "parquet", "path": str(tmp_path / "a.parquet")})
    assert "the file must be Parquet" in line


def test_a_first_record_longer_than_the_head_is_left_to_the_reading(found, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"body": "x" * (1 << 21)}))
    assert found({"source": "json", "path": str(path)}) == []


def test_a_look_is_quick_and_imports_nothing_heavy(tmp_path, data_config):
    path = tmp_path / "big.txt"
    path.write_bytes(b"a line of text that repeats\n" * 4_000_000)
    config = data_config(source="text", path=str(path))
    started = time.perf_counter()
    assert problems(config, columns={"text": "text"}) == []
    assert time.perf_counter() - started < 0.3
    program = (
        "import sys, electralab.data.peek\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'pyarrow', 'numpy', 'mlflow'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
