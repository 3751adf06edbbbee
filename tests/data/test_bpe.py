"""The tokenizer of a translation from scratch: any text comes back, and pieces follow the texts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from electralab.data.bpe import train_bpe
from tests.tasks.translating import pairs

TEXTS = [text for pair in pairs(200) for text in pair]
REAL = [
    "Notebook trusted: %1 of %2 code cells trusted.",
    "Notebook approuvée : %1 sur %2 cellules approuvées.",
    "Mot de passe d’authentification de l’appareil",
    ".. hlist content  is not a\tlist\n",
    "<b>{0, plural, one {# œuf} other {# œufs}}</b> &amp; %(name)s…",
    "日本語 한국어 😀 ∂x",
    "<s>old</s> <pad> <unk>",
    "",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """As a run has it: loaded from its folder."""
    folder = tmp_path_factory.mktemp("bpe")
    train_bpe(TEXTS, vocab_size=400, lowercase=False).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", REAL)
def test_any_text_comes_back_from_its_ids(tokenizer, text):
    for ids in (tokenizer(text)["input_ids"], tokenizer(text_target=text)["input_ids"]):
        assert ids[-1] == tokenizer.eos_token_id and ids.count(tokenizer.eos_token_id) == 1
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_word_is_the_same_piece_everywhere(tokenizer):
    first, *_ = tokenizer("open the file")["input_ids"]
    assert first in tokenizer("the open")["input_ids"]


def test_what_is_cut_off_still_ends(tokenizer):
    cut = tokenizer(["open the file " * 9, "key"], truncation=True, max_length=6)["input_ids"]
    assert len(cut[0]) == 6 and cut[0][-1] == tokenizer.eos_token_id


def test_ids_and_sizes(tokenizer):
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
    assert len(train_bpe(TEXTS, vocab_size=300, lowercase=False)) == 300


def test_case_is_folded_only_where_wanted(tokenizer):
    folded = train_bpe(TEXTS, vocab_size=400, lowercase=True)
    assert folded("OPEN É")["input_ids"] == folded("open é")["input_ids"]
    assert tokenizer("OPEN")["input_ids"] != tokenizer("open")["input_ids"]


def test_the_same_texts_give_the_same_bytes_in_every_process(tmp_path, tokenizer):
    program = (
        "import json, sys\n"
        "from electralab.data.bpe import train_bpe\n"
        "t = train_bpe(json.load(sys.stdin), vocab_size=400, lowercase=False)\n"
        "t.save_pretrained(sys.argv[1])\n"
    )
    for name in ("one", "two"):
        command = [sys.executable, "-c", program, str(tmp_path / name)]
        subprocess.run(command, input=json.dumps([*TEXTS, *REAL]), text=True, check=True)
    one, two = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("one", "two"))
    assert one == two
