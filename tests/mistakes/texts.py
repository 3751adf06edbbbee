"""Values that no key can have, and files that hold no text."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import TINY
from tests.mistakes.case import Cases, Place, halve, read, train

GOOD = b"a good line of text\n"  # 5000 of them are more than a look at the head of a file sees
case = Cases()

# --- values ----------------------------------------------------------------------------------

case("mask_prob-0", train("task.mask_prob=0"), "`task.mask_prob`", "above 0 and below 1", "is 0 ")
case("mask_prob-1.2", train("task.mask_prob=1.2"), "`task.mask_prob`", "below 1", "is 1.2 ")
case("text-for-a-number", train("task.mask_prob=high"), "`task.mask_prob`", "a number", "'high'")
case("fraction-for-a-count", train("seed=1.5"), "`seed`", "a whole number", "1.5")
case("number-for-a-switch", train("deterministic=3"), "`deterministic`", "true or false", "is 3")
case("not-a-number", train("task.disc_weight=nan"), "`task.disc_weight`", "finite", "nan")
case("infinite", train("trainer.learning_rate=inf"), "`trainer.learning_rate`", "finite", "inf")
case("None", train("data.limit=None"), "`data.limit`", "the text None", "data.limit=null")
case("unset", train("tracking=server"), "`tracking.uri`", "must be set")
case("unknown-key", train("data.max_len=8"), "`data.max_len`", "`data.max_length`")
case("unknown-option", train("model=electra_smal"), "`model=electra_smal`", "`electra_small`")
case("unknown-recipe", train("experiment=dmo"), "`experiment=dmo`", "`demo`")
case("trainer-name", train("trainer.learnin_rate=1"), "`trainer.learnin_rate`", "`learning_rate`")
case("trainer-choice", train("trainer.optim=sdg"), "`trainer.optim`", "'sdg'", "`sgd`")
case("name-of-ours", train("trainer.output_dir=x"), "`trainer.output_dir`", "set `output_dir`")
case("open-quote", train("name='x"), "`name='x`", "quote")
case("values-without-m", train("seed=1,2"), "`seed`", "1,2", "-m")
case("path-as-name", train("name=../x"), "`name`", "letters, digits", "'../x'")
case("name-of-the-cache", train("name=cache"), "`name`", "must not be cache")
case("length", train("data.max_length=65"), "`data.max_length`", "at most 64", "is 65")
case("heads", train("model.hidden_size=15"), "`model.hidden_size`", "multiple", "(2)", "is 15")
case(
    "best-without-evaluation",
    train("trainer.load_best_model_at_end=true", "data.split.validation=null"),
    *("`data.split.validation`", "`trainer.load_best_model_at_end`", "is null"),
)
case(
    "best-by-an-unknown-metric",
    train("trainer.metric_for_best_model=eval_acc"),
    *("`trainer.metric_for_best_model`", "'eval_acc'", "`eval_"),
)
case(
    "what-this-machine-cannot",
    train("trainer.accelerator_config=nowhere.json"),
    *("`trainer`", "nowhere.json"),
)

# --- files of text ---------------------------------------------------------------------------


def data(name: str, source: str, content: bytes | str, *said: str) -> None:
    """Adds a case of a file that cannot be read; its name stands in the line."""
    file = f"a.{source}"
    case(name, lambda place: read(source, place.file(file, content)), file, *said)


case("missing-file", read("text", "nowhere.txt"), "`data.path`", "exists", "nowhere.txt")
case("missing-glob", read("text", "'*.nowhere'"), "`data.path`", "*.nowhere", "none")
case(
    "missing-held-out-file",
    train("data.split.validation=nowhere.txt"),
    *("`data.split.validation`", "exists", "nowhere.txt"),
)
case(
    "folder-without-files",
    lambda place: read("text", place.folder("folder")),
    *("`data.path`", ".txt", "folder"),
)
data("empty", "text", b"", "`data.path`", "is empty")
data("blank", "text", b" \n\n\t\n", "`data.path`", "only blanks")
data("binary", "text", bytes(range(128, 256)), "line 1, byte 1", "UTF-8", "0x80")
data("nul-deep-in-the-file", "text", GOOD * 5000 + b"a\0b\n", "line 5001", "UTF-8", "NUL")
data("latin-1-deep-in-the-file", "text", GOOD * 5000 + b"caf\xe9\n", "line 5001", "UTF-8", "0xe9")
data("utf-16", "text", "some text\n".encode("utf-16"), "UTF-8", "UTF-16")
data("ragged-csv", "csv", "id,text\n1,fine\n2,too,many\n", "row 3", "2 fields", "has 3")
data("open-quote-csv", "csv", 'id,text\n1,"never\n2,closed\n', "rows 2 to 3", "proper CSV")
data("csv-without-the-column", "csv", "id,txt\n1,a\n", "`data.columns.text`", "it has id, txt")
data("csv-of-numbers", "csv", "id,text\n1,2\n2,3\n", "`data.columns.text`", "text", "numbers")
data("csv-with-a-header-only", "csv", "id,text\n", "`data.path`", "documents", "none")
data("json-cut", "json", '{"text": "a"}\n{"text": "b\n', "line 2, column 12", "JSON")
data("json-of-texts", "json", '"a"\n"b"\n', "line 1", "an object", "a JSON string")
data("json-of-numbers", "json", '{"text": "a"}\n{"text": 3}\n', "`data.columns.text`", "line 2")
data("json-nested-for-ever", "json", b'{"text": "a"}\n' + b"[" * 100_000, "line 2", "nested")
data("json-lists-in-lists", "json", b'{"text":' + b"[" * 900 + b"]" * 900 + b"}", "line 1", "nest")
data("json-giant-number", "json", b'{"text": "a"}\n' + b"1" * 9999, "line 2", "JSON", "digits")
data("all-empty", "json", '{"text": ""}\n{"text": null}\n', "`data.path`", "null, 1 are empty")
data("too-little", "text", "hello\nthere\n", "`data.path`", "`data.max_length` 32 needs 30")
case(
    "one-document",
    lambda place: read("text", place.file("a.txt", "hello\n")),
    *("`data.split.validation`", "of 1 they take 1"),
)


def parquet(name: str, values: list) -> str:
    pq.write_table(pa.table({"text": values}), name)
    return name


def _half_a_parquet(place: Place) -> list[str]:
    halve(Path(parquet("a.parquet", ["some text"] * 1000)))
    return read("parquet", "a.parquet")


def _a_damaged_page(place: Place) -> list[str]:
    path = Path(parquet("a.parquet", [f"text {number}" for number in range(5000)]))
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    return read("parquet", "a.parquet")


case("half-a-parquet", _half_a_parquet, "a.parquet", "must be Parquet")
case("damaged-parquet", _a_damaged_page, "a.parquet", "must be Parquet")
case(
    "parquet-of-numbers",
    lambda place: read("parquet", parquet("a.parquet", [1, 2])),
    *("`data.columns.text`", "column of text", "a.parquet", "int64"),
)
case(
    "empty-hub-folder",
    lambda place: ["data=hub", f"data.name=./{place.folder('set')}", *TINY],
    *("`data.name`", "./set", "any data files"),
)
case(
    "hub-folder-with-broken-json",
    lambda place: [
        *("data=hub", f"data.name=./{Path(place.file('set/train.jsonl', '{')).parent}"),
        *TINY,
    ],
    *("`data.name`", "./set", "cannot be read"),
)
