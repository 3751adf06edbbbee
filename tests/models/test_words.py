"""Where words begin: by the vocabulary of each kind of tokenizer."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from electralab.errors import UserError
from electralab.models.words import piece_texts, word_mark, word_starts


def fast(backend: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", mask_token="[MASK]")


def wordpiece():
    vocabulary = {piece: i for i, piece in enumerate(["[UNK]", "[MASK]", "re", "##turn", "path"])}
    return fast(Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")))


def byte_level():
    pieces = ["[UNK]", "[MASK]", "re", "turn", "Ġpath", "Ġ", "Ã©"]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    backend.decoder = decoders.ByteLevel()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return fast(backend)


def sentencepiece():
    pieces = [(piece, -1.0) for piece in ("[UNK]", "[MASK]", "▁re", "turn", "▁path", "▁")]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0))
    backend.decoder = decoders.Metaspace()
    return fast(backend)


@pytest.mark.parametrize(
    ("tokenizer", "continuing"),
    [
        (wordpiece(), {"##turn"}),
        (sentencepiece(), {"[UNK]", "[MASK]", "turn"}),
        (byte_level(), {"[UNK]", "[MASK]", "re", "turn", "Ã©"}),
    ],
)
def test_a_boolean_an_id_says_where_a_word_begins(tokenizer, continuing):
    starts = word_starts(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert {piece for piece, begins in zip(pieces, starts, strict=True) if not begins} == continuing


def test_a_vocabulary_that_does_not_tell_is_refused():
    letters = {piece: i for i, piece in enumerate(["[UNK]", "[MASK]", *"abcdef"])}
    tokenizer = fast(Tokenizer(models.BPE(letters, [])))
    assert word_mark(tokenizer) is None
    with pytest.raises(UserError, match=r"`task.whole_word` must be false .* is true instead"):
        word_starts(tokenizer)


def test_pieces_are_shown_as_a_person_reads_them():
    for tokenizer, ids, wanted in (
        (wordpiece(), [2, 3, 4], [("re", False), ("turn", True), ("path", False)]),
        (byte_level(), [4, 3, 6], [("path", False), ("turn", True), ("é", True)]),
        (sentencepiece(), [2, 3, 4], [("re", False), ("turn", True), ("path", False)]),
    ):
        assert piece_texts(tokenizer, ids, mark=word_mark(tokenizer)) == wanted
