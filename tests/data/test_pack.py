from __future__ import annotations

import pickle

import numpy as np
import pytest

from electralab.data.blocks import TokenBlocks, entropy, unigram
from electralab.data.pack import pack

CLS, SEP = 2, 3


def packed(folder, batches, *, packing="concat", max_length=8, vocab_size=100):
    folder.mkdir(parents=True, exist_ok=True)
    count = pack(
        batches,
        folder,
        packing=packing,
        max_length=max_length,
        cls_id=CLS,
        sep_id=SEP,
        vocab_size=vocab_size,
        special_ids=(0, 1, CLS, SEP, 4),
    )
    return count, TokenBlocks(folder)


def documents(rng, count, longest=40, vocab_size=100):
    lengths = rng.integers(0, longest, count)
    return [rng.integers(5, vocab_size, length).tolist() for length in lengths]


def batched(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def slow_concat(rows, max_length):
    stream = []
    for row in rows:
        if row:
            stream += [*row, SEP]
    inner = max_length - 2
    return [
        [CLS, *stream[start : start + inner], SEP]
        for start in range(0, len(stream) - inner + 1, inner)
    ]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_concat_equals_the_plain_packer_whatever_the_batches(tmp_path, seed, size):
    rng = np.random.default_rng(seed)
    rows, max_length = documents(rng, 60), int(rng.integers(8, 40))
    count, blocks = packed(tmp_path, batched(rows, size), max_length=max_length)
    expected = slow_concat(rows, max_length)
    assert [blocks[i]["input_ids"].tolist() for i in range(len(blocks))] == expected
    assert count["rows"] == len(blocks) == len(expected)
    assert count["tokens"] == sum(map(len, rows))
    assert count["without_tokens"] == sum(not row for row in rows)
    # No more than one row's remainder is dropped.
    stream = count["tokens"] + count["documents"]
    assert 0 <= stream - len(blocks) * (max_length - 2) < max_length - 2


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_one_document_a_row_is_cut_off_at_max_length(tmp_path, seed, size):
    rng = np.random.default_rng(seed)
    rows, max_length = documents(rng, 60), int(rng.integers(8, 40))
    _, blocks = packed(tmp_path, batched(rows, size), packing="none", max_length=max_length)
    expected = [[CLS, *row[: max_length - 2], SEP] for row in rows if row]
    assert [blocks[i]["input_ids"].tolist() for i in range(len(blocks))] == expected
    assert blocks.lengths.tolist() == [len(row) for row in expected]


def texts_of(example):
    """Returns the texts of a row."""
    return [ids.tolist() for ids in np.split(example["input_ids"], example["starts"][1:])]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("window", [1, 200, 1 << 19])
def test_every_document_stands_in_one_row_and_is_cut_off_at_max_length_alone(
    tmp_path, seed, window, monkeypatch
):
    monkeypatch.setattr("electralab.data.pack.WINDOW", window)
    monkeypatch.setattr("electralab.data.pack._ROWS", 1)
    rng = np.random.default_rng(seed)
    rows, max_length = documents(rng, 60), int(rng.integers(8, 40))
    count, blocks = packed(tmp_path, batched(rows, 7), packing="separate", max_length=max_length)
    found = [texts_of(blocks[i]) for i in range(len(blocks))]
    expected = [[CLS, *row[: max_length - 2], SEP] for row in rows if row]
    assert sorted(text for texts in found for text in texts) == sorted(expected)
    assert all(len(blocks[i]["input_ids"]) <= max_length for i in range(len(blocks)))
    assert blocks.lengths.tolist() == [sum(map(len, texts)) for texts in found]
    assert count["rows"] == len(blocks) and blocks.texts == count["documents"] == len(expected)
    assert blocks.filled == pytest.approx(sum(map(len, expected)) / (len(blocks) * max_length))
    assert count["tokens"] == sum(map(len, rows))


def test_rows_of_several_texts_are_the_same_whatever_the_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("electralab.data.pack.WINDOW", 300)
    monkeypatch.setattr("electralab.data.pack._ROWS", 1)
    rows = documents(np.random.default_rng(3), 200)
    for size in (1, 9, 1000):
        packed(tmp_path / str(size), batched(rows, size), packing="separate", max_length=50)
    names = ("tokens.bin", "offsets.npy", "texts.npy", "blocks.json")
    contents = [[(tmp_path / str(s) / n).read_bytes() for n in names] for s in (1, 9, 1000)]
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.parametrize(
    ("vocab_size", "dtype"), [(100, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_ids_keep_their_value_in_two_or_four_bytes(tmp_path, vocab_size, dtype):
    row = [vocab_size - 1] * 6
    _, blocks = packed(tmp_path, [[row]], vocab_size=vocab_size)
    assert blocks.tokens.dtype == dtype
    assert blocks[0]["input_ids"].dtype == np.int64
    assert blocks[0]["input_ids"].tolist() == [CLS, *row, SEP]


@pytest.mark.parametrize("packing", ["concat", "separate", "none"])
def test_less_than_a_row_of_text_and_none_at_all(tmp_path, packing):
    for name, batches in {"none": [], "empty": [[[]]], "short": [[[7, 8]]]}.items():
        count, blocks = packed(tmp_path / name, batches, packing=packing)
        rows = 1 if packing != "concat" and name == "short" else 0
        assert len(blocks) == count["rows"] == rows


@pytest.mark.parametrize("packing", ["concat", "separate", "none"])
def test_an_index_beyond_the_length_is_the_same_row_in_a_later_epoch(tmp_path, packing):
    rng = np.random.default_rng(0)
    _, blocks = packed(tmp_path, [documents(rng, 30)], packing=packing)
    length = len(blocks)
    for epoch, row in ((0, 0), (1, 3), (7, length - 1)):
        example = blocks[epoch * length + row]
        assert (example["epoch"], example["index"]) == (epoch, row)
        assert example["input_ids"].tolist() == blocks[row]["input_ids"].tolist()
    with pytest.raises(IndexError):
        blocks[-1]


@pytest.mark.parametrize("packing", ["concat", "separate", "none"])
def test_pickling_carries_no_tokens(tmp_path, packing):
    rng = np.random.default_rng(0)
    _, blocks = packed(tmp_path, [documents(rng, 5000)], packing=packing)
    blocks[0]
    content = pickle.dumps(blocks)
    assert len(content) < 2000
    assert pickle.loads(content)[5]["input_ids"].tolist() == blocks[5]["input_ids"].tolist()


def test_unigram_counts_every_token_but_the_special_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("electralab.data.blocks.CHUNK", 7)
    rng = np.random.default_rng(1)
    _, blocks = packed(tmp_path, [documents(rng, 50)], packing="none", max_length=64)
    ids = np.concatenate([blocks[i]["input_ids"] for i in range(len(blocks))])
    expected = np.bincount(ids[ids > 4], minlength=100)
    assert unigram(tmp_path).tolist() == expected.tolist()


def test_entropy_is_in_nats_and_unmoved_by_zeros():
    assert entropy(np.array([0.25, 0.25, 0, 0.5])) == pytest.approx(1.5 * np.log(2), rel=1e-12)
