"""The parts of an example: pairs, labels, translations, from each kind of file."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electralab.data.sources import read
from electralab.errors import UserError

PAIR = {"text": "a", "text_pair": "b", "label": "y"}


@pytest.fixture
def table(data_config, tmp_path):
    """Reads the train split as a list of examples."""

    def of(source, path, columns):
        config = data_config({"source": source, "path": str(path), "split.validation": None})
        documents = read(config, columns=columns, cache_dir=tmp_path / "cache")
        assert documents.label_names is None
        return documents.tables["train"].to_list()

    return of


def write(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def problem(table, source, path, columns) -> str:
    with pytest.raises(UserError) as caught:
        table(source, path, columns)
    (line,) = caught.value.problems
    return line


def test_roles_name_the_columns_in_their_order(table, tmp_path):
    (tmp_path / "a.csv").write_text("y,b,id,a\n1,second,7,first\n,,8,x\n")
    examples = table("csv", tmp_path / "a.csv", PAIR)
    assert examples == [
        {"text": "first", "text_pair": "second", "label": '"1"'},
        {"text": "x", "text_pair": "", "label": None},
    ]
    assert list(examples[0]) == ["text", "text_pair", "label"]


LABELS = [1, -1, 2.5, True, "yes ", "영화", ["a", "b"], [], None]


def test_labels_of_json_keep_their_kind(table, tmp_path):
    path = write(tmp_path / "a.jsonl", [{"text": "x", "label": label} for label in LABELS])
    examples = table("json", path, {"text": "text", "label": "label"})
    found = [example["label"] for example in examples]
    assert found[:-1] == [json.dumps(label, ensure_ascii=False) for label in LABELS[:-1]]
    assert found[-1] is None
    values = [json.loads(label) for label in found[:-1]]
    assert [(type(value), value) for value in values] == [(type(v), v) for v in LABELS[:-1]]


@pytest.mark.parametrize(
    "labels",
    [[0, 1, None], [0.5, 4.75, None], [True, False, None], ["a", "é", None], [["a"], [], None]],
)
def test_labels_of_parquet_keep_their_kind(table, tmp_path, labels):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x"] * 3, "label": labels}), path)
    examples = table("parquet", path, {"text": "text", "label": "label"})
    expected = [None if v is None else json.dumps(v, ensure_ascii=False) for v in labels]
    assert [example["label"] for example in examples] == expected


def test_a_number_that_is_none_is_no_label(table, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", "y"], "label": [1.5, float("nan")]}), path)
    examples = table("parquet", path, {"text": "text", "label": "label"})
    assert [example["label"] for example in examples] == ["1.5", None]


@pytest.mark.parametrize(
    ("label", "found"),
    [({"en": 1}, "a record of en"), ([[1]], "a list"), ([1, None], "a list with null")],
)
def test_what_is_no_label(table, tmp_path, label, found):
    path = write(tmp_path / "a.jsonl", [{"text": "x", "label": 1}, {"text": "x", "label": label}])
    assert problem(table, "json", path, {"text": "text", "label": "label"}) == (
        "`data.columns.label` must be a column of labels (text, a number, true or false, or a list "
        f"of those), but label of {path}, line 2 holds {found}."
    )


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_language_is_found_inside_of_the_one_record_that_has_it(table, tmp_path, kind):
    records = [
        {"id": 1, "translation": {"en": "one", "fr": "un"}, "source": "x"},
        {"id": 2, "translation": {"en": "two", "fr": None}, "source": "y"},
    ]
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        write(path, records)
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    expected = [{"source": "one", "target": "un"}, {"source": "two", "target": None}]
    assert table(kind, path, {"source": "en", "target": "fr"}) == expected
    assert table(kind, path, {"source": "translation.en", "target": "translation.fr"}) == expected
    line = problem(table, kind, path, {"source": "en", "target": "de"})
    assert line.startswith("`data.columns.target` must be a column of")
    assert "it has id, translation.en, translation.fr, source" in line


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_language_that_two_records_have_is_not_guessed(table, tmp_path, kind):
    records = [{"gold": {"en": "a", "fr": "b"}, "draft": {"en": "c"}}]
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        write(path, records)
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    assert "gold.en, gold.fr, draft.en" in problem(
        table, kind, path, {"source": "en", "target": "fr"}
    )
    assert table(kind, path, {"source": "gold.en", "target": "fr"}) == [
        {"source": "a", "target": "b"}
    ]


def test_the_second_text_is_refused_by_its_own_key(table, tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y\nx,1,0\ny,2,1\n")
    line = problem(table, "csv", tmp_path / "a.csv", PAIR)
    assert line.startswith("`data.columns.text_pair` must be a column of text, but b of")
    path = write(tmp_path / "a.jsonl", [{"a": "x", "b": {"en": "y"}, "y": 1}])
    assert "`data.columns.text_pair`" in problem(table, "json", path, PAIR)


def test_other_columns_of_the_same_file_are_read_anew(table, tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y\none,two,0\n")
    first = table("csv", tmp_path / "a.csv", {"text": "a"})
    second = table("csv", tmp_path / "a.csv", {"text": "b"})
    assert (first, second) == ([{"text": "one"}], [{"text": "two"}])


def test_a_label_with_half_a_pair_of_surrogates_can_be_written(table, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": "half \\ud83d"}\n')
    (example,) = table("json", tmp_path / "a.jsonl", {"text": "text", "label": "label"})
    assert example["label"] == '"half "'
