"""A tokenizer must be the one that a checkpoint was made with, piece by piece."""

from __future__ import annotations

from typing import ClassVar

import pytest
from transformers import AutoTokenizer, BertTokenizer, PythonBackend

from electralab.errors import UserError
from electralab.models.tokenizers import check_vocabularies, load_tokenizer, needs_of

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


# What a task needs.


def words(folder, **special: str) -> str:
    """Saves a word list with some special tokens and returns its folder."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    pieces = [*special.values(), "[UNK]", "a", "file"]
    backend = Tokenizer(
        models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **special)
    made.save_pretrained(folder)
    return str(folder)


def refusal(folder, task: str) -> str:
    with pytest.raises(UserError) as caught:
        load_tokenizer(str(folder), needs=needs_of(task), slow=task == "translation")
    [line] = caught.value.problems
    assert "\n" not in line
    return line


PAD, END = {"pad_token": "<pad>"}, {"eos_token": "</s>"}
FRAME = {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}


def test_a_task_asks_for_no_more_than_it_needs(tmp_path):
    plain = words(tmp_path / "plain", **PAD)
    assert load_tokenizer(plain, needs=needs_of("classification")).pad_token == "<pad>"
    seq2seq = words(tmp_path / "seq2seq", **PAD, **END)
    assert load_tokenizer(seq2seq, needs=needs_of("translation")).eos_token == "</s>"
    framed = words(tmp_path / "framed", **PAD, **FRAME)
    for task in ("rtd", "mlm"):
        assert load_tokenizer(framed, needs=needs_of(task)).mask_token == "<mask>"


@pytest.mark.parametrize(
    ("task", "special", "said"),
    [
        ("classification", END, "must have a pad_token"),
        ("translation", PAD, "must have an eos_token"),
        ("mlm", {**PAD, **FRAME, "mask_token": None}, "must have a mask_token"),
        ("rtd", {**PAD, **FRAME, "cls_token": None}, "must have a cls_token"),
    ],
)
def test_what_lacks_a_token_is_refused(tmp_path, task, special, said):
    given = {name: token for name, token in special.items() if token is not None}
    line = refusal(words(tmp_path / "t", **given), task)
    assert said in line
    assert ("Marian" in line) is (task == "translation") and "model.tokenizer=train" in line


def test_a_checkpoint_is_not_told_to_train_a_tokenizer(tmp_path):
    with pytest.raises(UserError, match="choose another model, such as a") as caught:
        load_tokenizer(
            str(words(tmp_path, **PAD)), key="model.name_or_path", needs=needs_of("translation")
        )
    assert "train" not in str(caught.value)


class Slow(PythonBackend):
    """Two pieces, told apart by Python."""

    vocab_files_names: ClassVar = {}

    @property
    def vocab_size(self) -> int:
        return 2

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0, "b": 1, **self.added_tokens_encoder}


def test_a_slow_tokenizer_translates_and_does_nothing_else(monkeypatch):
    slow = Slow(pad_token="<pad>", eos_token="</s>")
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *args, **options: slow)
    assert load_tokenizer("it", needs=needs_of("translation"), slow=True) is slow
    with pytest.raises(UserError, match="must be a fast tokenizer"):
        load_tokenizer("it", needs=needs_of("classification"))
