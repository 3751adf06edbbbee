"""Damaged files of every format, through reading, cleaning, splitting and encoding."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

NASTY = [b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b'"', b"'", b",", b"\t", b"\\"]
NASTY += [b"{", b"[", b"]", b"}", b":", b"null", b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"-1"]
NASTY += [b"1.0", "م\u202eرحبا".encode(), "👩\u200d👩\u200d👧".encode(), b"\\ud800", b"\\u0000"]
NASTY += [b"[MASK]", b"[" * 2000, b'{"text":' * 990, b"x" * 70_000, b"\x1b[31m", b"\xf0\x9f"]
NASTY += [b" " * 9, b"=1+1"]
VALUES = ["a text of words", "", " ", None, "é\u0301", "\u202eabc", "👩\u200d👧", "a\nb", "a\tb"]
VALUES += ["[SEP]", "\x1b]0;x\x07", "x" * 300, "the file is read", "0", "1.5", "true", "a,b", '"']
VALUES += ["ok\r"]
LABELS = ["yes", "no", 0, 1, -1, 2.5, 1e300, float("nan"), True, None, "", "yes ", "9" * 5000]
LABELS += [["a", "b"], [], [None], {"a": 1}, "1|2", float("inf"), 10**30, "٣", "1٣"]
ENDINGS = {"text": "txt", "csv": "csv", "json": "jsonl", "parquet": "parquet", "moses": "en"}


def once(rng: random.Random, folder: Path) -> tuple[str, list[str]]:
    """Prepares data that are damaged in one way or another.

    Returns:
        How it ended, and the lines that were said.

    Raises:
        AssertionError: Something half done is left, or what `check` says is not what reading says.
    """
    from electralab.config import DataConfig
    from electralab.data import peek, prepare, roles
    from electralab.errors import UserError

    source = rng.choice(list(ENDINGS))
    cache_dir, folder = folder / "cache", folder / "data"
    folder.mkdir()
    task = "translation" if source == "moses" else rng.choice(["rtd", "classification"])
    node = copy.deepcopy(_defaults()) | _keys(rng)
    node |= {"source": source, "path": _files(rng, folder, source, task, "a")}
    node["split"]["validation"] = rng.choice([None, 0.5, 0.1, "file"])
    if node["split"]["validation"] == "file":
        node["split"]["validation"] = _files(rng, folder, source, task, "b", held_out=True)
    node["clean"] |= {
        "drop_duplicates": rng.random() < 0.3,
        "drop_empty": rng.random() < 0.8,
        "drop_stray_labels": rng.random() < 0.3,
        "max_characters": rng.choice([None, 100]),
    }
    if source == "moses":
        node["columns"] |= {"source": "en", "target": "fr"}
    if rng.random() < 0.2:
        node["columns"] |= {"text": rng.choice(["a.b", "words.text", "label", "té", "text.x"])}
    data = DataConfig.model_validate(node)
    columns = roles.columns(task, data)
    inputs = set(folder.iterdir())
    said = peek.problems(data, columns=columns)
    how = {"columns": columns, "encoder": _encoder(rng, task, data), "tokenizer": _tokenizer()}
    try:
        prepared = prepare.prepare(data=data, cache_dir=cache_dir, **how)
    except UserError as error:
        kind, lines = "refused", error.problems
        assert not said or set(lines) <= set(UserError(said).problems), (said, lines)
    else:
        kind, lines = "prepared", []
        assert not said, said
        json.dumps(prepared.report)
        for row in range(min(3, len(prepared.train))):
            prepared.train[row]
    left = [path for path in cache_dir.rglob("*") if ".tmp" in path.name]
    assert not left and set(folder.iterdir()) == inputs, left
    return kind, lines


def ready() -> None:
    """Imports what is slow to import."""
    import electralab.data.build
    import electralab.tasks.labels  # noqa: F401

    _tokenizer()


def _keys(rng: random.Random) -> dict[str, Any]:
    return {
        "max_length": rng.choice([8, 16]),
        "unit": rng.choice(["line", "line", "file"]),
        "limit": rng.choice([None, None, 1, 3]),
        "packing": rng.choice(["concat", "none"]),
        "num_proc": 1,
    }


def _files(
    rng: random.Random, folder: Path, source: str, task: str, name: str, held_out: bool = False
) -> Any:
    """Writes files; returns what a person would give for them."""
    paths = []
    for number in range(2 if source == "moses" else rng.choice([1, 1, 1, 2])):
        ending = ENDINGS[source] if source != "moses" else ("en", "fr")[number]
        if source == "csv" and rng.random() < 0.4:
            ending = rng.choice(["tsv", "txt"])
        content = _valid(rng, source, task, "\t" if ending in ("tsv", "txt") else ",")
        if rng.random() < 0.7:
            content = _damaged(rng, content)
        squeeze = rng.choice([None] * 4 + ["gz", "zst"])
        if squeeze and (source != "parquet" or rng.random() < 0.1):
            content = _squeezed(content, squeeze)
            ending = f"{ending}.{squeeze}"
            if rng.random() < 0.4:
                content = _damaged(rng, content)
        path = folder / f"{name}{number}.{ending}"
        path.write_bytes(content)
        paths.append(str(path))
    if source == "moses":
        return paths if not held_out else str(folder / f"{name}*")
    if held_out:
        return paths[0]
    alike = [str(folder / f"{name}*"), str(folder / "**" / f"{name}*"), str(folder)]
    return rng.choice([paths[0], paths, *alike])


def _valid(rng: random.Random, source: str, task: str, separator: str) -> bytes:
    rows = [
        {"id": number, "text": rng.choice(VALUES), "label": rng.choice(LABELS)}
        for number in range(rng.choice([0, 1, 3, 30]))
    ]
    if rng.random() < 0.6:  # most are good, or nothing would come to its end
        rows = [
            {"id": number, "text": f"the file {number} is read {word}", "label": word}
            for number, word in enumerate(rng.choices(["yes", "no"], k=40))
        ]
    if source in ("text", "moses"):
        return "".join(f"{row['text']}\n" for row in rows).encode()
    if source == "csv":
        text = io.StringIO()
        text.write(f"id{separator}text{separator}label\n")
        quoted = (str(row[key] or "").replace('"', '""') for row in rows for key in row)
        fields = [f'"{field}"' if separator == "," else field for field in quoted]
        for at in range(0, len(fields), 3):
            text.write(separator.join(fields[at : at + 3]) + rng.choice(["\n", "\n", "\r\n"]))
        return text.getvalue().encode()
    if source == "json":
        if rng.random() < 0.3:
            return json.dumps(rows, indent=rng.choice([None, 1])).encode()
        return "".join(
            json.dumps(row, ensure_ascii=rng.random() < 0.5) + "\n" for row in rows
        ).encode()
    return _parquet(rng, rows)


def _parquet(rng: random.Random, rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [row["text"] for row in rows]
    shapes = [
        pa.array(texts, pa.string()),
        pa.array(texts, pa.large_string()),
        pa.array(texts, pa.string()).dictionary_encode(),
        pa.array([text and text.encode() for text in texts], pa.binary()),
        pa.array([[text] for text in texts], pa.list_(pa.string())),
        pa.array([{"text": text} for text in texts], pa.struct([("text", pa.string())])),
        pa.nulls(len(texts)),
    ]
    shape = rng.choice([shapes[0], *shapes])
    if pa.types.is_string(shape.type) and len(shape) and rng.random() < 0.2:  # text of no UTF-8
        offsets, content = shape.buffers()[1], b"\xff" * len(shape.buffers()[2] or b"")
        shape = pa.StringArray.from_buffers(len(shape), offsets, pa.py_buffer(content))
    labels = pa.array([str(row["label"]) for row in rows], pa.string())
    file = io.BytesIO()
    codec = rng.choice(["snappy", "none", "zstd", "gzip"])
    pq.write_table(pa.table({"text": shape, "label": labels}), file, compression=codec)
    return file.getvalue()


def _damaged(rng: random.Random, content: bytes) -> bytes:
    """Returns bytes after one to four changes; a change of a few bytes is the likeliest."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(content))
        to = rng.randint(at, min(len(content), at + rng.choice([1, 8, 400])))
        change = rng.randrange(7)
        if change < 3:
            content = content[:at] + rng.choice(NASTY) + content[at:]
        elif change == 3:
            content = content[:at] + content[to:]
        elif change == 4:
            content = content[:at] + rng.randbytes(to - at) + content[to:]
        elif change == 5:
            content = content[:to] + content[at:]
        elif rng.random() < 0.3:
            content = content[:at]
    return content


def _squeezed(content: bytes, kind: str) -> bytes:
    import pyarrow as pa

    if kind == "gz":
        return gzip.compress(content)
    file = pa.BufferOutputStream()
    with pa.CompressedOutputStream(file, "zstd") as stream:
        stream.write(content)
    return file.getvalue().to_pybytes()


def _encoder(rng: random.Random, task: str, data: Any) -> Any:
    from electralab.data.parallel import ParallelEncoder
    from electralab.task_config import ClassificationConfig
    from electralab.tasks.labels import LabelEncoder

    if task == "rtd":
        return None
    if task == "translation":
        return ParallelEncoder(max_length=data.max_length, max_target_length=data.max_length)
    config = ClassificationConfig(
        name="classification",
        problem=rng.choice(["single_label", "single_label", "multi_label", "regression"]),
        labels=rng.choice([None, None, ["yes", "no"], [0, 1]]),
        label_separator=",",
        average=None,
        class_weights=None,
        freeze_encoder=False,
        layer_decay=1.0,
    )
    return LabelEncoder(config=config, data=data)


@cache
def _tokenizer() -> Any:
    from electralab.data.tokenizer import train_wordpiece

    return train_wordpiece(
        ["the file is read as a text of words yes no"], vocab_size=90, lowercase=True
    )


@cache
def _defaults() -> dict[str, Any]:
    import yaml

    return yaml.safe_load((files("electralab.conf") / "data" / "keys.yaml").read_text())
