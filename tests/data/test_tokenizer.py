from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from transformers import AutoTokenizer

from electralab.data.tokenizer import sample_stride, train_wordpiece

KOREAN = [
    "영화 정말 재미있어요",
    "배우들의 연기가 훌륭한 영화",
    "다시 보고 싶은 영화입니다",
    "정말 지루했다",
]
ENGLISH = [
    "Returns the value of a Tensor.",
    "Raises ValueError if x < 0!",
    "naïve Café résumé",
    "x",
]


def pieces(tokenizer) -> list[str]:
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.__getitem__)


def test_special_tokens_come_first_and_ids_have_no_gaps():
    tokenizer = train_wordpiece(ENGLISH * 5, vocab_size=120, lowercase=True)
    assert pieces(tokenizer)[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert len(tokenizer) <= 120
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (0, 4)
    assert tokenizer.model_max_length == 512


@pytest.mark.parametrize("vocab_size", [64, 100, 300])
def test_no_more_pieces_than_wanted(vocab_size):
    texts = [chr(0xAC00 + number) * 2 + " word" for number in range(600)]
    assert len(train_wordpiece(texts, vocab_size=vocab_size, lowercase=True)) <= vocab_size


def test_a_small_corpus_yields_fewer_pieces():
    assert len(train_wordpiece(["ab ab"], vocab_size=500, lowercase=True)) < 20


def test_the_same_texts_give_the_same_bytes_in_every_process(tmp_path, sentences):
    texts = [*sentences(300), *KOREAN, "∂x → ∞", "日本語 text"]
    program = (
        "import json, sys\n"
        "from electralab.data.tokenizer import train_wordpiece\n"
        "t = train_wordpiece(json.load(sys.stdin), vocab_size=200, lowercase=True)\n"
        "t.save_pretrained(sys.argv[1])\n"
    )
    import json

    for name in ("one", "two"):
        command = [sys.executable, "-c", program, str(tmp_path / name)]
        subprocess.run(command, input=json.dumps(texts), text=True, check=True)
    here = [train_wordpiece(texts, vocab_size=200, lowercase=True) for _ in range(3)]
    here[0].save_pretrained(tmp_path / "three")
    content = {(tmp_path / n / "tokenizer.json").read_bytes() for n in ("one", "two", "three")}
    assert len(content) == 1
    assert pieces(here[0]) == pieces(here[1]) == pieces(here[2])


@pytest.mark.parametrize("lowercase", [True, False])
def test_hangul_syllables_and_accents_stay_whole(tmp_path, lowercase):
    tokenizer = train_wordpiece([*KOREAN, *ENGLISH] * 3, vocab_size=400, lowercase=lowercase)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in KOREAN:
        ids = loaded(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert loaded.decode(ids) == text
    assert all(unicodedata.normalize("NFC", piece) == piece for piece in pieces(loaded))
    assert "naïve" in loaded.decode(loaded("naïve")["input_ids"])


def test_a_saved_folder_loads_by_auto_tokenizer_with_equal_ids(tmp_path):
    tokenizer = train_wordpiece(ENGLISH * 5, vocab_size=150, lowercase=False)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*ENGLISH, "unseen ☃ words", "[MASK] in a text"]:
        assert loaded(text, text)["input_ids"] == tokenizer(text, text)["input_ids"]
        assert loaded(text, text)["token_type_ids"] == tokenizer(text, text)["token_type_ids"]
    assert loaded.mask_token_id == 4
    assert loaded.model_max_length == 512


def test_case_is_folded_only_where_wanted():
    folded = train_wordpiece(ENGLISH * 5, vocab_size=150, lowercase=True)
    kept = train_wordpiece(ENGLISH * 5, vocab_size=150, lowercase=False)
    assert folded("Tensor")["input_ids"] == folded("tensor")["input_ids"]
    assert kept("Tensor")["input_ids"] != kept("tensor")["input_ids"]


def test_a_sample_is_evenly_spaced_and_of_about_the_size_wanted():
    assert sample_stride(50, wanted=100) == 1
    assert sample_stride(80, wanted=40) == 2
    assert sample_stride(7000, wanted=699) == 11
