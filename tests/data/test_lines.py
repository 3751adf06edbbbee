"""Compressed files say what plain ones say; a line that never ends is refused."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pytest

from electralab.data import lines as module
from electralab.data.files import find
from electralab.data.lines import count, lines
from electralab.data.peek import problems
from electralab.data.sources import read
from electralab.errors import UserError


def zst(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


SQUEEZE = {"gz": gzip.compress, "zst": zst}


@pytest.mark.parametrize("kind", SQUEEZE)
@pytest.mark.parametrize(
    ("source", "name", "content"),
    [
        ("text", "a.txt", "\ufeffone text\r\nanother, שלום 👩\u200d👧\n"),
        ("csv", "a.csv", 'id,text\n1,one text\n2,"another, שלום 👩\u200d👧"\n'),
        ("csv", "a.tsv", "id\ttext\n1\tone text\n2\tanother, שלום 👩\u200d👧\n"),
        ("json", "a.jsonl", '{"text": "one text"}\n{"text": "another, שלום 👩\u200d👧"}\n'),
        (
            "json",
            "a.json",
            json.dumps([{"text": "one text"}, {"text": "another, שלום 👩\u200d👧"}]),
        ),
    ],
)
def test_the_ending_inside_says_what_a_compressed_file_holds(
    kind, source, name, content, tmp_path, data_config
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.{kind}").write_bytes(SQUEEZE[kind](content.encode()))
    values = {"source": source, "path": str(tmp_path / "in"), "split.validation": None}
    columns = {"text": "text"}
    assert problems(data_config(values), columns=columns) == []
    documents = read(data_config(values), columns=columns, cache_dir=tmp_path)
    assert documents.tables["train"]["text"][:] == ["one text", "another, שלום 👩\u200d👧"]


@pytest.mark.parametrize("kind", SQUEEZE)
def test_parts_that_were_compressed_apart_are_one_file(kind, tmp_path):
    path = tmp_path / f"a.txt.{kind}"
    path.write_bytes(SQUEEZE[kind](b"one\ntw") + SQUEEZE[kind](b"o\nthree"))
    assert [*lines(path)] == ["one\n", "two\n", "three"]
    assert count(path) == 3


def test_aligned_files_may_be_compressed(tmp_path, data_config):
    (tmp_path / "a.en-fr.en.gz").write_bytes(gzip.compress(b"Close\nOpen\n"))
    (tmp_path / "a.en-fr.fr").write_bytes(b"Fermer\nOuvrir\n")
    values = {"source": "moses", "path": str(tmp_path / "a.en-fr"), "split.validation": None}
    values |= {"columns.source": "en", "columns.target": "fr"}
    columns = {"source": "en", "target": "fr"}
    table = read(data_config(values), columns=columns, cache_dir=tmp_path / "c").tables["train"]
    assert table[:] == {"source": ["Close", "Open"], "target": ["Fermer", "Ouvrir"]}


def test_a_mended_file_is_read_where_a_damaged_one_was_refused(tmp_path, data_config):
    path = tmp_path / "a.txt.gz"
    content = gzip.compress(b"a text\n" * 40_000)
    values = {"source": "text", "path": str(path), "split.validation": None}
    for _ in range(2):
        path.write_bytes(content[:-20])
        with pytest.raises(UserError, match="end-of-stream"):
            read(data_config(values), columns={"text": "text"}, cache_dir=tmp_path / "cache")
        assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    path.write_bytes(content)
    documents = read(data_config(values), columns={"text": "text"}, cache_dir=tmp_path / "cache")
    assert len(documents.tables["train"]) == 40_000


def test_a_line_that_never_ends_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 10)
    monkeypatch.setattr(module, "CHUNK", 8)
    stream = io.BytesIO(b"short\n" + b"x" * 1000)
    with pytest.raises(UserError, match=r"^a, line 2: a line must be shorter than 10 bytes"):
        list(module.decoded(stream, "a"))
    assert stream.tell() <= 16 + 8


def test_a_parquet_file_is_not_sought_behind_a_compression(tmp_path):
    (tmp_path / "a.parquet.gz").write_bytes(b"x")
    with pytest.raises(UserError, match=r"ending in \.parquet, \.pq"):
        find(str(tmp_path), source="parquet")


def test_a_damaged_one_of_two_aligned_files_is_a_problem_beside_others(tmp_path, data_config):
    (tmp_path / "a.en.gz").write_bytes(gzip.compress(b"Close\n" * 40_000)[:-20])
    (tmp_path / "a.fr").write_bytes(b"Fermer\n" * 40_000)
    files = [str(tmp_path / name) for name in ("a.en.gz", "a.fr")]
    values = {"source": "moses", "path": files, "split.validation": "nowhere"}
    found = problems(data_config(values), columns={"source": "source", "target": "target"})
    assert sum("end-of-stream" in line for line in found) == 1
    assert sum("data.split.validation" in line for line in found) == 1
