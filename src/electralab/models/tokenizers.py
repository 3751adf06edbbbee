"""Loading a tokenizer and refusing one that cannot serve."""

from __future__ import annotations

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from electralab.errors import UserError, one_line


def load_tokenizer(
    name_or_path: str, *, key: str = "model.tokenizer", revision: str | None = None
) -> PreTrainedTokenizerBase:
    """Loads a tokenizer of the hub or of a folder, without running code that comes with it.

    Args:
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.

    Raises:
        UserError: It cannot be loaded, or lacks a token that masking needs.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name_or_path, revision=revision, use_fast=True, trust_remote_code=False
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        raise UserError(
            f"`{key}` must be a hub name or a folder with a tokenizer, but {name_or_path!r} cannot "
            f"be loaded: {one_line(error)}."
        ) from error
    for token in ("mask_token", "pad_token", "cls_token", "sep_token"):
        if getattr(tokenizer, token) is None:
            raise UserError(
                f"`{key}` must have a {token}, but {name_or_path!r} has none; choose the tokenizer "
                "of an ELECTRA or BERT, or model.tokenizer=train."
            )
    if not tokenizer.is_fast:
        raise UserError(
            f"`{key}` must be a fast tokenizer (with a tokenizer.json), but {name_or_path!r} is a "
            "slow one."
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # as of a tokenizer_config.json alone
        raise UserError(
            f"`{key}` must have a vocabulary, but {name_or_path!r} has special tokens only."
        )
    return tokenizer
