from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electralab.data.sources import identity, read
from electralab.errors import RunFailure, UserError

ROWS = ["A first text, with a comma.", "영화가 좋아요", 'quotes "inside" it', "NA", "line\nbreak"]


@pytest.fixture
def tables(data_config, tmp_path):
    """Reads the column `text` of each split of a configuration."""

    def of(config):
        columns = {"text": config.columns.text}
        return read(config, columns=columns, cache_dir=tmp_path / "cache").tables

    return of


@pytest.fixture
def texts(data_config, tables):
    """Reads the train split of a source as a list."""

    def of(source, path, values=None, **given):
        given = {"source": source, "path": str(path), "split.validation": None} | (values or {})
        return tables(data_config(given))["train"]["text"][:]

    return of


def jsonl(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


# --- the five shapes -------------------------------------------------------------------------


def test_text_is_a_document_a_line_with_any_line_end(texts, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\n\n  three\u2028more\nlast".encode())
    assert texts("text", path) == ["one", "two", "", "  three\u2028more", "last"]


def test_text_is_a_document_a_file(texts, tmp_path):
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("of b\nand more\n")
    (folder / "deep" / "a.txt").write_text("of a")
    (folder / ".hidden.txt").write_text("hidden")
    (folder / "notes.md").write_text("not text")
    assert texts("text", folder, {"unit": "file"}) == ["of b\nand more\n", "of a"]


def test_csv_keeps_quotes_commas_line_breaks_and_the_text_na(texts, tmp_path):
    import csv

    path = tmp_path / "a.csv"
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "review"], *enumerate(ROWS), [9, ""]])
    assert texts("csv", path, {"columns.text": "review"}) == [*ROWS, ""]


@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_csv_with_tabs_takes_stray_quotes_as_they_are(texts, tmp_path, ending):
    path = tmp_path / f"ratings.{ending}"
    path.write_text('id\tdocument\tlabel\n1\t"unclosed, and\t0\n2\t5" of\t1\n3\t\t1\n')
    assert texts("csv", path, {"columns.text": "document"}) == ['"unclosed, and', '5" of', ""]


@pytest.mark.parametrize("shape", ["lines", "list", "pretty"])
def test_json_lines_and_lists(texts, tmp_path, shape):
    records = [{"type": "x", "body": text, "message": 1} for text in ROWS] + [{"type": "y"}]
    path = jsonl(tmp_path / "a.json", records)
    if shape != "lines":
        path.write_text("\ufeff" + json.dumps(records, indent=2 if shape == "pretty" else None))
    assert texts("json", path, {"columns.text": "body"}) == [*ROWS, None]


def test_parquet(texts, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": range(6), "text": [*ROWS, None]}), path)
    assert texts("parquet", path) == [*ROWS, None]


def test_a_hub_data_set_from_a_folder_with_splits_of_its_own(data_config, tables, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for split, count in {"train": 5, "validation": 2, "test": 1}.items():
        jsonl(folder / f"{split}.jsonl", [{"sentence": f"{split} {n}"} for n in range(count)])
    config = data_config(
        {"source": "hub", "name": str(folder), "columns.text": "sentence"}
        | {"split.validation": "validation", "split.test": "test"}
    )
    splits = tables(config)
    assert {split: len(table) for split, table in splits.items()} == {
        "train": 5,
        "validation": 2,
        "test": 1,
    }
    assert splits["test"]["text"][:] == ["test 0"]


# --- columns and paths -----------------------------------------------------------------------

NESTED = [
    {"answers": {"text": ["one", "two"], "start": [1, 2]}},
    {"answers": {"text": [], "start": []}},
    {"answers": None},
]


def test_a_nested_column_of_lists_is_joined_by_a_blank(texts, tables, tmp_path, data_config):
    column = {"columns.text": "answers.text"}
    assert texts("json", jsonl(tmp_path / "a.jsonl", NESTED), column) == ["one two", "", None]
    pq.write_table(pa.Table.from_pylist(NESTED), tmp_path / "a.parquet")
    assert texts("parquet", tmp_path / "a.parquet", column) == ["one two", "", None]
    folder = tmp_path / "set"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(NESTED), folder / "train.parquet")
    hub = {"source": "hub", "path": None, "name": str(folder)}
    config = data_config({**hub, **column, "split.validation": None})
    train = tables(config)["train"]
    assert train["text"][:2] == ["one two", ""]
    assert train["text"][2] is None


def test_a_list_of_records_and_a_name_with_a_dot(texts, tmp_path):
    records = [{"turns": [{"say": "a"}, {"say": "b"}], "x.y": "dotted", "x": {"y": "nested"}}]
    path = jsonl(tmp_path / "a.jsonl", records)
    assert texts("json", path, {"columns.text": "turns.say"}) == ["a b"]
    assert texts("json", path, {"columns.text": "x.y"}) == ["dotted"]


def test_lists_of_paths_keep_their_order_and_globs_are_sorted(texts, tmp_path):
    for name in "cab":
        (tmp_path / f"{name}.txt").write_text(name)
    assert texts("text", tmp_path / "*.txt") == ["a", "b", "c"]
    paths = [str(tmp_path / "c.txt"), str(tmp_path / "a.txt")]
    assert texts("text", "", {"path": paths}) == ["c", "a"]


def test_lone_surrogates_of_json_are_left_out(texts, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "half \\ud83d a pair é"}\n')
    assert texts("json", path) == ["half  a pair é"]


# --- mistakes in files: one line with the place ----------------------------------------------


def problem(texts, source, path, values=None) -> str:
    with pytest.raises(UserError) as caught:
        texts(source, path, values)
    assert len(caught.value.problems) == 1
    assert "\n" not in caught.value.problems[0]
    return caught.value.problems[0]


def late(line: bytes) -> bytes:
    """A file whose first 64 kB are fine, so that only reading finds the mistake."""
    return b"a good line of text\n" * 5000 + line


def test_invalid_utf8_is_given_with_line_and_byte(texts, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(late(b"caf\xe9\n"))
    message = problem(texts, "text", path)
    assert message.startswith(f"{path}, line 5001, byte 100004: the file must be UTF-8")
    assert "0xe9" in message


def test_a_nul_byte_is_given_with_its_line(texts, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(late(b"\0\1\2"))
    assert f"{path}, line 5001" in problem(texts, "text", path)


@pytest.mark.parametrize("row", ["only one", "a,b,c"])
def test_a_csv_row_of_another_length_is_given_with_its_number(texts, tmp_path, row):
    path = tmp_path / "a.csv"
    path.write_text(f'id,text\n1,"two\nlines"\n2,fine\n{row}\n')
    message = problem(texts, "csv", path)
    assert f"{path}, row 5: a row must have 2 fields" in message
    assert f"but has {len(row.split(','))}" in message


def test_an_unclosed_quote_of_a_csv_does_not_swallow_the_rest(texts, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"never closed\n2,fine\n')
    assert f"{path}, rows 2 to 3: the file must be proper CSV" in problem(texts, "csv", path)


def test_broken_json_is_given_with_line_and_column(texts, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "fine"}\n\n{"text": "cut\n')
    assert f"{path}, line 3, column" in problem(texts, "json", path)
    path.write_text('[{"text": "fine"},\n {"text": ]')
    assert f"{path}, line 2, column 11" in problem(texts, "json", path)
    path.write_text('"just a string"\n')
    assert "line 1: a record must be an object" in problem(texts, "json", path)


@pytest.mark.parametrize(
    ("value", "found"),
    [(3, "a number"), (True, "true or false"), ({"en": "x"}, "a record of en"), ([1], "a number")],
)
def test_a_json_column_that_is_no_text(texts, tmp_path, value, found):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "fine"}, {"text": value}])
    message = problem(texts, "json", path)
    assert message == (
        f"`data.columns.text` must be a column of text, but text of {path}, line 2 holds {found}."
    )


def test_a_column_of_numbers(texts, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\nfine,0\nalso,1.5\n")
    assert "label of" in problem(texts, "csv", path, {"columns.text": "label"})
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    message = problem(texts, "parquet", tmp_path / "a.parquet", {"columns.text": "label"})
    assert "holds int64" in message


@pytest.mark.parametrize("source", ["csv", "json", "parquet"])
def test_a_missing_column_names_those_there_are_and_the_nearest(texts, tmp_path, source):
    path = tmp_path / f"a.{source}"
    if source == "csv":
        path.write_text("id,text\n1,fine\n")
    elif source == "json":
        jsonl(path, [{"id": 1, "text": "fine"}])
    else:
        pq.write_table(pa.table({"id": [1], "text": ["fine"]}), path)
    assert problem(texts, source, path, {"columns.text": "txt"}) == (
        f"`data.columns.text` must be a column of {path}, but is txt instead; it has id, text "
        "(did you mean text?)."
    )


def test_a_missing_nested_column(texts, tmp_path):
    message = problem(
        texts, "json", jsonl(tmp_path / "a.jsonl", NESTED), {"columns.text": "answers.txt"}
    )
    assert "it has answers.text, answers.start (did you mean answers.text?)" in message


def test_a_truncated_parquet_file(texts, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ROWS * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    assert f"{path}: the file must be Parquet" in problem(texts, "parquet", path)


def test_damage_inside_a_parquet_file(texts, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(5000)]}), path)
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    assert f"{path}: the file must be Parquet" in problem(texts, "parquet", path)


def test_hub_mistakes_are_one_line(data_config, tables, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    jsonl(folder / "train.jsonl", [{"text": "fine", "label": 1}])

    def message(**values):
        config = data_config({"source": "hub", "name": str(folder), **values})
        with pytest.raises(UserError) as caught:
            tables(config)
        return caught.value.problems

    assert "`data.split.validation` must be a split of" in message(**{"split.validation": "dev"})[0]
    assert "it has text, label" in message(**{"columns.text": "txt"})[0]
    assert "holds int64" in message(**{"columns.text": "label"})[0]
    assert len(message(**{"subset": "nothing"})) == 1
    (folder / "train.jsonl").write_text('{"text": broken\n')
    assert len(message()) == 1


def test_a_hub_that_cannot_be_reached_is_a_failure_of_one_line(data_config, tables, monkeypatch):
    def unreachable(*arguments, **named):
        raise ConnectionError("Couldn't reach the hub\nand more lines")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    monkeypatch.setattr("electralab.data.hub._revision", lambda data: None)
    config = data_config({"source": "hub", "name": "nobody/has-this"})
    with pytest.raises(RunFailure) as caught:
        tables(config)
    assert len(caught.value.problems) == 1
    assert "nobody/has-this" in caught.value.problems[0]


# --- what is kept ----------------------------------------------------------------------------


def test_what_was_read_is_kept_below_the_cache_and_taken_again(
    data_config, tables, corpus, tmp_path, monkeypatch
):
    config = data_config(source="text", path=corpus)
    first = tables(config)["train"]
    assert str(tmp_path / "cache" / "datasets") in first.cache_files[0]["filename"]
    monkeypatch.setattr("electralab.data.readers.examples", None)
    assert tables(config)["train"]["text"][:] == first["text"][:]


def test_a_reading_that_fails_leaves_no_file(texts, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(late(b"caf\xe9\n"))
    problem(texts, "text", path)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_identity_follows_size_and_time_and_not_the_way_a_path_is_written(
    data_config, tmp_path, monkeypatch
):
    import os

    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n")
    os.utime(path, ns=(0, 1_000))
    before = identity(data_config(source="text", path=str(path)))
    monkeypatch.chdir(tmp_path)
    assert identity(data_config(source="text", path="a.txt")) == before
    os.utime(path, ns=(0, 1_001))
    assert identity(data_config(source="text", path=str(path))) != before
    path.write_text("one\ntwo!\n")
    os.utime(path, ns=(0, 1_000))
    assert identity(data_config(source="text", path=str(path))) != before
    assert json.dumps(before)
