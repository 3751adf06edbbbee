"""A hash of texts: the same however they come, another as soon as one of them differs."""

from __future__ import annotations

import hashlib
import random
import struct

import pyarrow as pa
import pytest

from electralab.data.fingerprint import Fingerprint

TEXTS = ["one", "", None, "two words", "Ü", "세 단어", "", "end"]


def digest_of(*tables: pa.Table) -> bytes:
    fingerprint = Fingerprint()
    for table in tables:
        fingerprint.feed(table)
    return fingerprint.digest()


def table(texts, *, kind=pa.large_string):
    return pa.table({"text": pa.array(texts, kind())})


def slow(columns: dict[str, list[str | None]]) -> bytes:
    """What the digest is, a text at a time."""
    whole = hashlib.sha256()
    for name, texts in columns.items():
        sizes = [-1 if text is None else len(text.encode()) for text in texts]
        packed = b"".join(struct.pack("<q", size) for size in sizes)
        content = "".join(text or "" for text in texts).encode()
        parts = (hashlib.sha256(part).digest() for part in (packed, content))
        whole.update(f"{name} ".encode() + b"".join(parts))
    return whole.digest()


def test_it_is_a_hash_of_sizes_and_of_bytes():
    assert digest_of(table(TEXTS)) == slow({"text": TEXTS})
    both = pa.table({"source": TEXTS, "target": TEXTS[::-1]})
    assert digest_of(both) == slow({"source": TEXTS, "target": TEXTS[::-1]})


def test_parts_slices_and_the_width_of_offsets_make_no_difference():
    whole = table(TEXTS)
    rng = random.Random(0)
    for _ in range(20):
        cuts = sorted(rng.choices(range(len(TEXTS) + 1), k=3))
        ends = zip([0, *cuts], [*cuts, len(TEXTS)], strict=True)
        parts = [whole.slice(start, end - start) for start, end in ends]
        assert digest_of(*parts) == digest_of(whole)
        assert digest_of(pa.concat_tables(parts)) == digest_of(whole)
    assert digest_of(table(TEXTS, kind=pa.string)) == digest_of(whole)
    keep = pa.array([text != "" for text in TEXTS])
    assert digest_of(whole.filter(keep)) == digest_of(table([t for t in TEXTS if t != ""]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["ab"], ["ab", ""]),
        ([""], [None]),
        (["a", "b"], ["b", "a"]),
        (["a"], ["A"]),
    ],
)
def test_texts_that_differ_in_anything_differ(one, other):
    assert digest_of(table(one)) != digest_of(table(other))
