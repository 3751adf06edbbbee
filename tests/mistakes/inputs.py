"""Files that hurt and sweeps without an end; `lines.yaml` has the line that is said of each."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.mistakes.case import RUN, Cases, Place, read, train
from tests.tasks import classifying, translating

TEXT = b"a good line of text\n" * 200
case = Cases()


def squeezed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the same bytes at any time


# Long enough to be cut inside.
CUT = squeezed(random.Random(0).randbytes(99_000).hex().encode())[:50_000]


def zst(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def table(**columns: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def trained(name: str, source: str, file: str, content: bytes | str, *more: str) -> None:
    """Adds a case of a file that is trained on."""
    case(name, lambda place: read(source, place.file(file, content), *more), file)


def held_out(name: str, source: str, file: str, content: bytes, good: bytes) -> None:
    """Adds a case of a file that is held out, beside a good one."""

    def words(place: Place) -> list[str]:
        good_file = place.file(f"good{Path(file).suffixes[0]}", good)
        return read(source, good_file, f"data.split.validation={place.file(file, content)}")

    case(name, words, file)


def labelled(name: str, content: list, *more: str) -> None:
    """Adds a case of JSON lines with labels."""

    def words(place: Place) -> list[str]:
        rows = [
            json.dumps({"text": f"text {n}", "label": label}) for n, label in enumerate(content)
        ]
        file = place.file("a.jsonl", "\n".join(rows))
        return [*classifying.words(file, *more), "data=json"]

    case(name, words)


def aligned(name: str, source: tuple[str, bytes], target: tuple[str, bytes]) -> None:
    """Adds a case of two files that are to be translated."""

    def words(place: Place) -> list[str]:
        files = f"[{place.file(*source)},{place.file(*target)}]"
        return [*translating.words(files), "data=moses"]

    case(name, words, target[0])


def path(name: str, make: object, given: str = "there") -> None:
    """Adds a case of a path that is no file to read."""

    def words(place: Place) -> list[str]:
        make(place)
        return read("text", given)

    case(name, words, "`data.path`", given)


def predicted(name: str, file: str, content: bytes | None) -> None:
    """Adds a case of `predict --file`."""

    def words(place: Place) -> list[str]:
        place.run()
        if content is not None:
            place.file(file, content)
        return ["predict", RUN, "--file", file]

    case(name, words, file)


# --- compressed ------------------------------------------------------------------------------

trained("gz-cut", "text", "a.txt.gz", CUT)
trained("gz-that-is-none", "text", "a.txt.gz", TEXT)
trained("gz-of-nothing", "text", "a.txt.gz", squeezed(b""))
trained("gz-of-nul", "text", "a.txt.gz", squeezed(TEXT + b"\0"))
trained("gz-without-its-ending", "text", "a.txt", squeezed(TEXT))
trained("gz-ragged", "csv", "a.tsv.gz", squeezed(b"id\ttext\n1\tfine\n2\n"))
trained("gz-of-parquet", "parquet", "a.parquet.gz", squeezed(table(text=["a"])))
trained("zst-cut", "text", "a.txt.zst", zst(TEXT)[:-9])
trained("zst-that-is-none", "text", "a.txt.zst", TEXT)
held_out("held-out-gz-cut", "text", "b.txt.gz", CUT, TEXT)

# --- tables and records ----------------------------------------------------------------------

trained("csv-stray-quote", "csv", "a.csv", 'id,text\n1,"a" b\n')
trained("csv-quote-over-rows", "csv", "a.csv", 'id,text\n1,fine\n2,"a\n3,b\n4",c,d\n')
trained("csv-of-semicolons", "csv", "a.csv", "id;text\n1;a\n")
trained("csv-two-columns-alike", "csv", "a.csv", "text,text\na,b\n")
trained("csv-old-line-ends", "csv", "a.csv", "id,text\r1,a\r")
trained("csv-nul", "csv", "a.csv", b"id,text\n1,a\0b\n")
trained("csv-header-of-escapes", "csv", "a.csv", "id,\x1b]0;gone\x07,\u202etxet\n1,a,b\n")
trained("csv-endless-header", "csv", "a.csv", f"id,{'x' * 100_000}\n1,a\n")
trained("tsv-ragged", "csv", "a.tsv", "id\ttext\n1\ta\tb\n")
trained("json-list-cut", "json", "a.json", '[{"text": "a"},\n{"text": "b"')
trained("json-empty-list", "json", "a.json", "[]")
trained("json-of-lists", "json", "a.jsonl", '["a"]\n')
trained("json-two-on-a-line", "json", "a.jsonl", '{"text": "a"} {"text": "b"}\n')
trained("json-text-of-nan", "json", "a.jsonl", '{"text": NaN}\n')
trained("json-deep-records", "json", "a.jsonl", '{"a":' * 400 + "1" + "}" * 400)
trained("json-utf-16", "json", "a.jsonl", '{"text": "a"}\n'.encode("utf-16"))
trained("parquet-that-is-text", "parquet", "a.parquet", TEXT)
trained("parquet-without-rows", "parquet", "a.parquet", table(text=pa.array([], pa.string())))
trained("parquet-without-the-column", "parquet", "a.parquet", table(txt=["a"]))
trained("parquet-of-records", "parquet", "a.parquet", table(text=[{"en": "a"}]))
trained("parquet-of-bytes", "parquet", "a.parquet", table(text=[b"a"]))
trained("parquet-of-no-utf-8", "parquet", "a.parquet",
        table(text=pa.array([b"a", b"caf\xe9"]).view(pa.string())))  # fmt: skip
held_out("held-out-latin-1", "text", "b.txt", TEXT + b"caf\xe9\n", TEXT)
held_out(
    "held-out-half-a-parquet", "parquet", "b.parquet", table(text=["a"])[:99], table(text=["a"])
)
held_out("held-out-without-the-column", "csv", "b.csv", b"id,txt\n1,a\n", b"id,text\n1,a\n")
held_out("held-out-of-blanks", "text", "b.txt", b" \n\n", TEXT)

# --- texts, labels, pairs --------------------------------------------------------------------


def _unknown(place: Place) -> list[str]:
    place.run()
    emoji = place.file("a.txt", "\U0001f469\u200d\U0001f467 \U0001f389\n" * 200)
    return read("text", emoji, f"model.tokenizer={RUN}")


case("texts-of-unknown-tokens-only", _unknown, "a.txt")
trained("texts-of-invisible-signs", "text", "a.txt", "\u200b\u2060\u00a0\n" * 50)
case(
    "old-line-ends",
    lambda place: read("text", place.file("a.txt", "one text\ranother\r" * 50)),
    "`data.split.validation`",
)
labelled("label-below-0", [0, 1, -1] * 9, "task.labels=[0,1]")
labelled("label-above-the-classes", [0, 1, 2] * 9, "task.labels=[0,1]")
labelled("label-of-lists", [["a"], ["b"]] * 9)
labelled("label-of-records", [{"a": 1}] * 9)
labelled("label-with-null-inside", [["a", None]] * 9, "task.problem=multi_label")
labelled("score-without-an-end", [1e999, 1.5] * 9, "task.problem=regression")
labelled("labels-of-null", [None] * 9)
aligned("pairs-uneven-gz", ("a.en", TEXT), ("a.fr.gz", squeezed(TEXT + b"more\n")))
aligned("pairs-of-nul", ("a.en", TEXT), ("a.fr", TEXT[:-2] + b"\0\n"))
aligned("pairs-of-one-file", ("a.en", TEXT), ("a.en", TEXT))

# --- paths -----------------------------------------------------------------------------------


def _socket(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("there")


path("path-of-a-pipe", lambda place: os.mkfifo("there"))
path("path-of-a-socket", _socket)
path("path-of-a-device", lambda place: None, "/dev/zero")
path("path-of-a-loop", lambda place: os.symlink("there", "there"))
path("path-of-a-dangling-link", lambda place: os.symlink("nowhere", "there"))
path("path-through-a-file", lambda place: None, "corpus.txt/there")
path("path-too-long", lambda place: None, "x" * 300)
path("folder-of-loops", lambda place: (os.mkdir("there"), os.symlink(".", "there/a.txt")))
case(
    "pairs-of-a-folder",
    lambda place: [
        *translating.words(f"[{place.file('a.en', TEXT)},{place.folder('there')}]"),
        "data=moses",
    ],
    "`data.path`",
)
predicted("predict-of-nul", "b.txt", b"fine\na\0b\n")
predicted("predict-of-latin-1", "b.txt", b"caf\xe9\n")
predicted("predict-of-a-cut-gz", "b.txt.gz", CUT)
predicted("predict-of-no-file", "b.txt", None)
predicted("predict-of-an-endless-line", "b.txt", b"word " * 300_000)

# --- sweeps ----------------------------------------------------------------------------------

case("sweep-inside-a-list", train("-m", "data.limit=[interval(0,1)]"), "`data.limit`")
case("sweep-of-ten-thousands", train("-m", "seed=range(0,1e9)"), "`seed`")
case("sweep-of-a-large-grid", train("-m", "seed=range(0,200)", "data.limit=range(1,99)"), "`-m`")
case("sweep-without-an-end", train("-m", "seed=range(1,inf)"), "`seed`")
case("sweep-in-steps-of-0", train("-m", "seed=range(1,5,0)"), "`seed`")
case("sweep-of-nothing", train("-m", "seed=range(5,1)"), "`seed`")
case("hydra-that-leads-nowhere", train("hydra.mode=${nope}"), "`hydra.mode`")
case("key-of-a-number", train("+data.columns={1:2}"), "`data.columns.1`")
case("run-of-a-long-name", ["predict", "x" * 300, "text"], "RUN")
