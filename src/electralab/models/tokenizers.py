"""Loading a tokenizer and refusing one that cannot serve."""

from __future__ import annotations

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from electralab.errors import UserError


def load_tokenizer(name_or_path: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """Loads a tokenizer of the hub or of a folder, without running code that comes with it.

    Raises:
        UserError: It cannot be loaded, or lacks a token that masking needs.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name_or_path, revision=revision, use_fast=True, trust_remote_code=False
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        line = next((part for part in str(error).splitlines() if part.strip()), repr(error))
        raise UserError(
            f"`model.tokenizer` must be a hub name or a folder with a tokenizer, but "
            f"{name_or_path!r} cannot be loaded: {line.strip()}"
        ) from error
    for token in ("mask_token", "pad_token", "cls_token", "sep_token"):
        if getattr(tokenizer, token) is None:
            raise UserError(
                f"`model.tokenizer` must have a {token}, but {name_or_path!r} has none; choose the "
                "tokenizer of an ELECTRA or BERT, or model.tokenizer=train."
            )
    if not tokenizer.is_fast:
        raise UserError(
            f"`model.tokenizer` must be a fast tokenizer (with a tokenizer.json), but "
            f"{name_or_path!r} is a slow one."
        )
    return tokenizer
