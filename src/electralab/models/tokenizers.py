"""Loading a tokenizer and refusing one that cannot serve."""

from __future__ import annotations

from collections.abc import Iterable

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from electralab.errors import UserError
from electralab.models.plausible import why

_MASKING = ("mask_token", "pad_token", "cls_token", "sep_token")
_NEEDS = {
    "rtd": _MASKING,
    "mlm": _MASKING,
    "classification": ("pad_token",),
    "translation": ("pad_token", "eos_token"),
}
_OWNERS = {False: "an ELECTRA or BERT", True: "a Marian, T5 or mBART"}


def needs_of(task: str) -> tuple[str, ...]:
    """Returns the special tokens that a task cannot do without.

    Args:
        task: Name of the task.
    """
    return _NEEDS[task]


def load_tokenizer(
    name_or_path: str,
    *,
    key: str = "model.tokenizer",
    revision: str | None = None,
    needs: Iterable[str] = _MASKING,
    slow: bool = False,
) -> PreTrainedTokenizerBase:
    """Loads a tokenizer of the hub or of a folder, without running code that comes with it.

    Args:
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.
        needs: Special tokens that it must have, as of `needs_of`.
        slow: Whether one without a ``tokenizer.json`` will do, such as a Marian's.

    Raises:
        UserError: It cannot be loaded, or lacks what is needed.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name_or_path, revision=revision, use_fast=True, trust_remote_code=False
        )
        if not isinstance(tokenizer, PreTrainedTokenizerBase):  # of the classes that it may name
            raise TypeError(f"{type(tokenizer).__name__} is no tokenizer")
        tokenizer.chat_template = None  # a program, and the names of files to save it in
    except BaseException as error:  # the loaders raise nearly anything on a damaged folder
        if not _is_failure(error):
            raise
        raise UserError(
            f"`{key}` must be a hub name or a folder with a tokenizer, but {name_or_path!r} cannot "
            f"be loaded: {why(error)}."
        ) from error
    for token in needs:
        if getattr(tokenizer, token) is None:
            article = "an" if token.startswith("e") else "a"
            choice = f"the tokenizer of {_OWNERS[slow]}, or model.tokenizer=train"
            if key != "model.tokenizer":  # weights know no other tokenizer than theirs
                choice = f"another model, such as {_OWNERS[slow]}"
            raise UserError(
                f"`{key}` must have {article} {token}, but {name_or_path!r} has none; choose "
                f"{choice}."
            )
    if not tokenizer.is_fast and not slow:
        raise UserError(
            f"`{key}` must be a fast tokenizer (with a tokenizer.json), but {name_or_path!r} is a "
            "slow one."
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # as of a tokenizer_config.json alone
        raise UserError(
            f"`{key}` must have a vocabulary, but {name_or_path!r} has special tokens only."
        )
    return tokenizer


def _is_failure(error: BaseException) -> bool:
    """Says whether a loader gave up: a panic of the tokenizers' Rust is no `Exception`."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def id_count(tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns how many ids a model must know: one more than the highest, for some may be unused."""
    return max(len(tokenizer), max(tokenizer.get_vocab().values()) + 1)


def check_numbered(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses ids that skip numbers, for a model from scratch would have a row for each number.

    Raises:
        UserError: They do.
    """
    if (ids := id_count(tokenizer)) > len(tokenizer):
        raise UserError(
            "`model.tokenizer` must number its pieces from 0 without a gap for a model from "
            f"scratch, but {tokenizer.name_or_path!r} has {len(tokenizer):,} with ids up to "
            f"{ids - 1:,}."
        )


def check_vocabularies(
    tokenizer: PreTrainedTokenizerBase,
    *,
    model: str | None,
    generator: str | None,
    revision: str | None = None,
) -> None:
    """Refuses a tokenizer whose ids mean something else to a checkpoint.

    Equal sizes prove nothing: with another order of the pieces a model reads other words.

    Args:
        tokenizer: The tokenizer in use.
        model: Hub name or folder of the discriminator; none: from scratch, so that any will do.
        generator: Likewise of the generator.
        revision: Commit, tag or branch of the discriminator on the hub.

    Raises:
        UserError: With a line for each checkpoint that was made with another vocabulary.
    """
    problems = []
    for key, name, commit in (
        ("model.name_or_path", model, revision),
        ("model.generator.name_or_path", generator, None),
    ):
        if name is None or (name == tokenizer.name_or_path and commit is None):
            continue
        own = _own_tokenizer(name, revision=commit)
        if own is not None and (difference := _difference(tokenizer, own)):
            problems.append(
                f"`{key}` must have the vocabulary of the tokenizer in use, "
                f"{tokenizer.name_or_path}, but {difference} in {name}; choose one family of "
                "checkpoints and model.tokenizer=auto."
            )
    if problems:
        raise UserError(problems)


def _own_tokenizer(name: str, *, revision: str | None) -> PreTrainedTokenizerBase | None:
    """Returns the tokenizer that comes with a checkpoint, if one does."""
    try:
        found = AutoTokenizer.from_pretrained(
            name, revision=revision, use_fast=True, trust_remote_code=False
        )
    except BaseException as error:  # none there, or out of reach: there is nothing to compare with
        if not _is_failure(error):
            raise
        return None
    only_special = len(found) <= len(set(found.all_special_ids))
    return None if only_special else found


def _difference(used: PreTrainedTokenizerBase, own: PreTrainedTokenizerBase) -> str | None:
    """Says where two vocabularies differ first, by id."""
    if used.mask_token_id != own.mask_token_id:
        return f"its mask token has the id {used.mask_token_id}, and {own.mask_token_id}"
    here, there = used.get_vocab(), own.get_vocab()
    differing = set(here.items()) ^ set(there.items())
    if not differing:
        return None
    piece, _ = min(differing, key=lambda item: (item[1], item[0]))
    ids = [str(vocabulary.get(piece, "no id")) for vocabulary in (here, there)]
    return f"{len({i for _, i in differing}):,} ids differ: {piece!r} has {ids[0]}, and {ids[1]}"
