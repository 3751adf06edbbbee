"""A stream gives the rows of its texts, each once a pass, whoever reads and however often."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from electralab.data import batches, segments, sources
from electralab.data import prepare as preparing
from electralab.data.blocks import TokenBlocks
from electralab.data.contents import contents, source_files
from electralab.data.roles import columns
from electralab.errors import UserError

INNER = 14  # tokens of a row of 16, without its first and last


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(sources, "HEAD", 2000)
    monkeypatch.setattr(segments, "CHARACTERS", 1500)
    monkeypatch.setattr(batches, "CHARACTERS", 400)  # read in one go
    monkeypatch.setattr(batches, "FEW", 1)


@pytest.fixture
def prepared(data_config, tokenizer, corpus, tmp_path):
    opened = []

    def build(values=None, *, cache=tmp_path / "cache"):
        given = {"source": "text", "path": corpus, "streaming": True, "split.validation": None}
        given |= values or {}
        config = data_config(given)
        how = {"data": config, "columns": columns("rtd", config), "encoder": None}
        data = preparing.prepare(**how, tokenizer=tokenizer, cache_dir=cache)
        opened.append(data.train)
        return data

    yield build
    for rows in opened:
        rows.close()


def plain(prepared_data, tokenizer, texts: list[str]) -> list[list[list[int]]]:
    """Returns the rows of each segment, made one token after the other."""
    head = prepared_data.report["stream"]["head"]
    parts, part, size = [], [], 0
    for text in texts[head:]:
        part.append(text)
        size += len(text)
        if size >= segments.CHARACTERS:
            parts.append(part)
            part, size = [], 0
    parts += [part] if part else []
    found = []
    for part in parts:
        ids = []
        for text in part:
            ids += [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.sep_token_id]
        whole = len(ids) // INNER
        rows = [ids[at * INNER : (at + 1) * INNER] for at in range(whole)]
        found.append([[tokenizer.cls_token_id, *row, tokenizer.sep_token_id] for row in rows])
    return found


def read(rows, start: int, stop: int) -> list[tuple]:
    found = [rows[at] for at in range(start, stop)]
    return [(one["input_ids"].tolist(), one["epoch"], one["index"]) for one in found]


def test_the_rows_are_those_of_the_texts_each_once_a_pass(prepared, tokenizer, corpus):
    texts = Path(corpus).read_text().splitlines()
    data = prepared()
    rows = data.train
    rows.expect(10_000, seed=1).start()
    expected = plain(data, tokenizer, texts)
    assert len(expected) > 3
    blocks = TokenBlocks(data.folder / "train")
    head = [blocks[row]["input_ids"].tolist() for row in range(len(blocks))]
    order = [head, *expected]
    total = sum(map(len, order))
    first = read(rows, 0, total)
    start = 0
    for part in order:  # shuffled within itself, and numbered in the order of the stream
        seen = first[start : start + len(part)]
        assert {epoch for _, epoch, _ in seen} == {0}
        by_number = sorted(seen, key=lambda one: one[2])
        assert [ids for ids, _, _ in by_number] == part
        assert [number for _, _, number in by_number] == list(range(start, start + len(part)))
        start += len(part)
    assert [number for _, _, number in first] != list(range(total))
    second = read(rows, total, 2 * total)
    assert {epoch for _, epoch, _ in second} == {1}
    assert sorted(number for _, _, number in second) == list(range(total))
    numbers = [[number for _, _, number in one] for one in (first, second)]
    assert numbers[0] != numbers[1]
    assert sorted(one[::2] for one in first) == sorted(one[::2] for one in second)


def test_it_is_the_same_again_from_any_place_and_in_a_worker(prepared, tmp_path):
    rows = prepared().train
    rows.expect(400, seed=1).start()
    whole = read(rows, 0, 400)
    assert whole[-1][1] >= 1  # in a later pass
    worker = pickle.loads(pickle.dumps(rows))
    assert worker.writer is None and read(worker, 77, 99) == whole[77:99]
    rows.close()
    for folder in segments.place(rows.folder, 2), segments.place(rows.folder, 3):
        shutil.rmtree(folder)  # as if it had been stopped there
    (rows.folder / segments.END).unlink()
    again = prepared().train
    again.expect(400, seed=1).start()
    assert read(again, 390, 400) == whole[390:]
    assert read(again, 0, 50) == whole[:50]
    anew = prepared(cache=tmp_path / "another").train
    anew.expect(400, seed=1).start()
    assert read(anew, 350, 400) == whole[350:]  # though nobody has read what is before
    other = prepared().train
    other.expect(400, seed=2).start()
    assert read(other, 0, 400) != whole


def test_it_is_not_read_further_than_is_wanted_or_far_ahead(prepared, data_config, sentences):
    rows = prepared().train
    head = rows._ends[0]
    rows.expect(head + 1, seed=0).start()
    assert read(rows, head, head + 1)
    rows.writer._thread.join(30)
    assert len(list(rows.folder.glob("0*"))) == 1


def test_it_waits_for_the_training(prepared, tmp_path, sentences):
    (tmp_path / "long.txt").write_text("\n".join(sentences(2000)))
    rows = prepared({"path": str(tmp_path / "long.txt")}).train
    rows.expect(10_000, seed=0).start()
    rows[0]
    deadline = time.time() + 60
    while len(list(rows.folder.glob("0*[0-9]"))) < segments.AHEAD and time.time() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    assert len(list(rows.folder.glob("0*[0-9]"))) == segments.AHEAD
    rows[rows._ends[0]]
    while len(list(rows.folder.glob("0*[0-9]"))) == segments.AHEAD and time.time() < deadline:
        time.sleep(0.02)
    assert len(list(rows.folder.glob("0*[0-9]"))) == segments.AHEAD + 1


def test_held_out_is_a_share_of_the_head_and_never_trained_on(
    prepared, data_config, tokenizer, tmp_path, sentences
):
    texts = [f"{text} {'abcdefghij'[n % 10]}{'xyzuvw'[n % 6]}" for n, text in
             enumerate(dict.fromkeys(sentences(300)))]  # fmt: skip
    (tmp_path / "a.txt").write_text("\n".join(texts))
    values = {"path": str(tmp_path / "a.txt"), "packing": "none", "split.validation": 0.2}
    data = prepared(values)
    data.train.expect(600, seed=0).start()
    head = data.report["stream"]["head"]
    assert 10 < head < 100 and len(data.validation) == round(0.2 * head)
    found = [data.train[at] for at in range(len(texts) - len(data.validation))]
    assert {one["epoch"] for one in found} == {0}
    assert data.train[len(found)]["epoch"] == 1
    trained = sorted(one["input_ids"].tolist() for one in found)
    held = [data.validation[at]["input_ids"].tolist() for at in range(len(data.validation))]
    expected = sorted(tokenizer(text, truncation=True, max_length=16)["input_ids"]
                      for text in texts)  # fmt: skip
    assert sorted(trained + held) == expected


@pytest.mark.parametrize("source", ["csv", "json", "parquet", "gz", "hub"])
def test_any_source_gives_the_same_rows(prepared, tmp_path, corpus, source):
    texts = Path(corpus).read_text().splitlines()
    rows = prepared().train
    rows.expect(300, seed=0).start()
    expected = read(rows, 0, 300)
    folder = tmp_path / "in"
    folder.mkdir()
    values = {"source": source, "path": str(folder)}
    if source == "csv":
        (folder / "a.csv").write_text("text\n" + "\n".join(texts) + "\n")
    elif source == "json":
        half = len(texts) // 2
        for name, part in (("a", texts[:half]), ("b", texts[half:])):
            lines = [json.dumps({"text": text}) for text in part]
            (folder / f"{name}.jsonl").write_text("\n".join(lines))
    elif source == "gz":
        (folder / "a.txt.gz").write_bytes(gzip.compress("\n".join(texts).encode()))
        values["source"] = "text"
    else:
        pq.write_table(pa.table({"text": texts, "id": range(len(texts))}), folder / "train.parquet")
    if source == "hub":
        values = {"source": "hub", "path": None, "name": str(folder)}
    other = prepared(values).train
    other.expect(300, seed=0).start()
    assert read(other, 0, 300) == expected


def test_a_mistake_far_along_is_a_line_with_its_place_when_it_is_reached(prepared, tmp_path):
    lines = [json.dumps({"text": "the model reads a long text"})] * 400
    lines[300] = '{"text": "the model'
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    rows = prepared({"source": "json", "path": str(path)}).train
    rows.expect(10_000, seed=0).start()
    rows[rows._ends[0]]  # what comes before is trained on
    for reader in (rows, pickle.loads(pickle.dumps(rows))):
        with pytest.raises(UserError) as error:
            read(reader, 0, 1000)
        [problem] = error.value.problems
        assert problem.startswith(f"{path}, line 301")


def test_the_fingerprint_names_files_whose_contents_are_not_read(prepared, corpus, data_config):
    first = prepared().fingerprint
    assert prepared().fingerprint == first and prepared().from_cache
    config = data_config({"source": "text", "path": corpus, "streaming": True})
    named = source_files(config)
    assert set(named[0]) == {"path", "size", "modified"} and contents(config) == contents(config)
    with open(corpus, "a") as file:
        file.write("one more text, far behind the head\n")
    assert source_files(config) != named
    assert prepared().fingerprint != first
