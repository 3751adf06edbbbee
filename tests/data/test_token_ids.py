"""Texts that are encoded together have the ids that each has by itself, whatever the tokenizer."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from electralab.data import token_ids
from electralab.data.token_ids import SEPARATOR, PlainTokenizer, ids_of

WORDS = (
    "the cat sat on a mat where no dog would ever have sat before 12 3.4 don't café Straße 고양이"
)
CORPUS = [WORDS, WORDS.upper(), WORDS[::-1]]
SPECIAL = ["[UNK]", "[PAD]", "[MASK]"]


def trained(model, trainer, *, before=None, normalizer=None) -> PreTrainedTokenizerFast:
    backend = Tokenizer(model)
    if before is not None:
        backend.pre_tokenizer = before
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.train_from_iterator(CORPUS, trainer)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def wordpiece(**how) -> PreTrainedTokenizerFast:
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=SPECIAL, show_progress=False)
    how = {"normalizer": normalizers.BertNormalizer(**how)}
    before = pre_tokenizers.BertPreTokenizer()
    return trained(models.WordPiece(unk_token="[UNK]"), trainer, before=before, **how)


def bpe(before, **how) -> PreTrainedTokenizerFast:
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=SPECIAL, show_progress=False)
    return trained(models.BPE(unk_token="[UNK]"), trainer, before=before, **how)


def unigram(before, **how) -> PreTrainedTokenizerFast:
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    return trained(models.Unigram(), trainer, before=before, **how)


def metaspace(scheme: str):
    return pre_tokenizers.Metaspace(prepend_scheme=scheme)


def nested():
    inner = pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), metaspace("first")])
    return pre_tokenizers.Sequence([inner, pre_tokenizers.Digits()])


def like_llama():
    return normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])


FAMILIES = {
    "wordpiece": wordpiece,
    "wordpiece, cased": lambda: wordpiece(lowercase=False),
    "bytes": lambda: bpe(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "bytes after a blank": lambda: bpe(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "always": lambda: unigram(metaspace("always")),
    "never": lambda: unigram(metaspace("never")),
    "like Llama": lambda: bpe(None, normalizer=like_llama()),
    "stripped": lambda: bpe(pre_tokenizers.WhitespaceSplit(), normalizer=normalizers.Strip()),
    "first": lambda: unigram(metaspace("first")),
    "first, inside": lambda: unigram(nested()),
}


def texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    odd = [
        " ",
        "  ",
        "\n",
        "\t",
        ".",
        "[MASK]",
        "[PAD]",
        "<b>",
        "<i>",
        "xyz",
        "ﬁ",
        "é",
        "👍",
        "\u200b",
    ]
    words = WORDS.split() + odd
    glue = ["", " ", " ", "  "]
    return [
        "".join(w + str(rng.choice(glue)) for w in rng.choice(words, rng.integers(0, 30)))
        for _ in range(count)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_together_or_alone_the_ids_are_the_same(family, monkeypatch):
    tokenizer = FAMILIES[family]()
    greedy = {"lstrip": True, "rstrip": True, "normalized": False}
    tokenizer.add_tokens([AddedToken("<b>", **greedy), AddedToken("<i>", single_word=True)])
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    expected = alone(texts(700), tokenizer)
    seen = calls(monkeypatch)
    found = ids_of(texts(700), PlainTokenizer(tokenizer))
    assert found.lengths.tolist() == list(map(len, expected))
    assert found.flat.tolist() == list(chain.from_iterable(expected))
    assert 0 in found.lengths or "always" in family or "Llama" in family
    [encoded] = seen  # in one go
    assert (encoded == 700) == family.startswith("first")
    assert encoded == 700 or encoded < 30


def alone(some: list[str], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """A call a text, and special tokens that are written out are no special tokens."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return [backend.encode(text, add_special_tokens=False).ids for text in some]


def calls(monkeypatch) -> list[int]:
    """How many strings were encoded, call by call."""
    seen = []
    actual = token_ids._encoded

    def spied(parts, backend):
        parts = list(parts)
        seen.extend(map(len, parts))
        return actual(parts, backend)

    monkeypatch.setattr(token_ids, "_encoded", spied)
    return seen


def check(some: list[str], tokenizer: PreTrainedTokenizerFast) -> None:
    found = ids_of(some, PlainTokenizer(tokenizer))
    expected = alone(some, tokenizer)
    assert found.lengths.tolist() == list(map(len, expected))
    assert found.flat.tolist() == list(chain.from_iterable(expected))


@pytest.mark.parametrize("place", ["{}", "a cat{}", "{}a cat", "a {} cat", "{0}{0}"])
def test_a_text_may_hold_what_separates_texts(place):
    check(["the cat", place.format(SEPARATOR), "the mat"], wordpiece())


@pytest.mark.parametrize("held", [SEPARATOR[0], SEPARATOR[1], SEPARATOR[::-1]])
def test_a_text_may_hold_a_part_of_it_at_its_ends(held):
    check(["the cat" + held, held + "a" + held, held, "the mat"], wordpiece())


def test_an_added_token_may_hold_a_part_of_it():
    tokenizer = wordpiece()
    tokenizer.add_tokens([AddedToken("a" + SEPARATOR[0], normalized=False)])
    check(["a", "the cat", "a"], tokenizer)


def test_a_vocabulary_with_holes_has_no_id_for_it(monkeypatch):
    pieces = {"[UNK]": 0, "[PAD]": 1, "[MASK]": 2, "a": 3, "the": 6}  # of 5 pieces the next is 5
    pieces["cat"] = 5
    backend = Tokenizer(models.WordLevel(pieces, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    seen = calls(monkeypatch)
    check(["the a", "a cat", "", "the cat"], tokenizer)
    assert seen == [4]  # once, and not again


def test_the_tokenizer_that_is_given_stays_as_it_is():
    tokenizer = wordpiece()
    before = tokenizer.backend_tokenizer.to_str(), len(tokenizer)
    ids_of(["the cat"], PlainTokenizer(tokenizer))
    assert (tokenizer.backend_tokenizer.to_str(), len(tokenizer)) == before
