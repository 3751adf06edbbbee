"""A tokenizer must be the one that a checkpoint was made with, piece by piece."""

from __future__ import annotations

import pytest
from transformers import BertTokenizer

from electralab.errors import UserError
from electralab.models.tokenizers import check_vocabularies, load_tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer(folder, pieces: list[str]):
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    return load_tokenizer(str(folder))


def lines(used, **checkpoints) -> list[str]:
    try:
        check_vocabularies(used, **({"model": None, "generator": None} | checkpoints))
    except UserError as error:
        assert not any("\n" in line for line in error.problems)
        return error.problems
    return []


@pytest.fixture
def used(tmp_path):
    return tokenizer(tmp_path / "used", [*SPECIAL, "a", "file", "path"])


def test_the_same_pieces_pass_wherever_they_lie(tmp_path, used):
    tokenizer(tmp_path / "same", [*SPECIAL, "a", "file", "path"])
    assert lines(used, model=str(tmp_path / "same"), generator=str(tmp_path / "used")) == []


def test_another_order_of_as_many_pieces_is_refused(tmp_path, used):
    tokenizer(tmp_path / "other", [*SPECIAL, "a", "path", "file"])
    [line] = lines(used, model=str(tmp_path / "other"))
    assert line.startswith("`model.name_or_path` must have the vocabulary of the tokenizer in use")
    assert "2 ids differ: 'file' has 6, and 7 in" in line


def test_another_mask_token_is_refused(tmp_path, used):
    pieces = [*SPECIAL[:4], "a", "[MASK]", "file", "path"]
    tokenizer(tmp_path / "other", pieces)
    [line] = lines(used, generator=str(tmp_path / "other"))
    assert line.startswith("`model.generator.name_or_path` must")
    assert "its mask token has the id 4, and 5 in" in line


def test_both_checkpoints_are_looked_at(tmp_path, used):
    tokenizer(tmp_path / "other", [*SPECIAL, "a", "files", "path"])
    other = str(tmp_path / "other")
    assert len(lines(used, model=other, generator=other)) == 2


def test_a_checkpoint_without_a_tokenizer_proves_nothing(tmp_path, used):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text('{"model_type": "electra"}')
    assert lines(used, model=str(tmp_path / "bare"), generator="nobody/nowhere") == []
