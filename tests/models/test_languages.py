"""Language codes: where each family of models has them, and what is said where one is wrong."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer, MBart50Tokenizer, MBartTokenizer, NllbTokenizer

from electralab.data.bpe import train_bpe
from electralab.errors import UserError
from electralab.models.languages import forced_tokens, language_codes, set_languages

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "▁b", "a", "b"]


def nllb():
    return NllbTokenizer(vocab={piece: i for i, piece in enumerate(PIECES)}, merges=[])


def mbart():
    return MBartTokenizer(vocab=[(piece, 0.0) for piece in PIECES])


def mbart50():
    return MBart50Tokenizer()


@pytest.mark.parametrize(
    ("make", "source", "target", "field"),
    [
        (nllb, "eng_Latn", "fra_Latn", "forced_bos_token_id"),
        (mbart50, "en_XX", "fr_XX", "forced_bos_token_id"),
        (mbart, "en_XX", "fr_XX", "decoder_start_token_id"),
    ],
)
def test_both_sides_are_marked_also_after_saving(tmp_path, make, source, target, field):
    tokenizer = make()
    set_languages(tokenizer, source=source, target=target)
    tokenizer.save_pretrained(tmp_path)
    for one in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        codes = language_codes(one)
        assert codes[source] in one("a")["input_ids"]
        labels = one(text_target="a")["input_ids"]
        assert codes[target] in labels and codes[source] not in labels
        assert forced_tokens(one, target) == {field: codes[target]}


@pytest.mark.parametrize(
    ("make", "typed", "nearest"),
    [
        *((nllb, "fr", "fra_Latn"), (nllb, "eng_latn", "eng_Latn"), (mbart, "fr", "fr_XX")),
        *((mbart50, "fr_FR", "fr_XX"), (mbart50, "xyz", None)),
    ],
)
def test_an_unknown_code_is_answered_with_the_nearest(make, typed, nearest):
    with pytest.raises(UserError) as error:
        set_languages(make(), source=typed, target=None)
    one, other = error.value.problems
    assert "`task.source_lang`" in one and f"{typed!r}" in one
    assert (f"did you mean `{nearest}`?" in one) if nearest else one.endswith("instead.")
    assert "`task.target_lang`" in other and "is null" in other


def test_a_tokenizer_without_codes_takes_none():
    tokenizer = train_bpe(["a b"], vocab_size=270, lowercase=False)
    set_languages(tokenizer, source=None, target=None)
    assert language_codes(tokenizer) == {} and forced_tokens(tokenizer, None) == {}
    with pytest.raises(UserError, match=r"`task\.target_lang` must be null.*'fr'"):
        set_languages(tokenizer, source=None, target="fr")
