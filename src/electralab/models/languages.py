"""The language codes of multilingual models: mBART, mBART-50, M2M100 and NLLB."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from electralab.checking.translation import unknown_language
from electralab.errors import UserError


def language_codes(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Returns the codes of the languages that a tokenizer knows, with their ids.

    Args:
        tokenizer: Any; empty for those without codes, such as a Marian's or T5's.
    """
    if known := getattr(tokenizer, "lang_code_to_id", None):
        return dict(known)
    if not hasattr(tokenizer, "src_lang"):
        return {}
    codes = [str(token) for token in tokenizer.extra_special_tokens]
    return dict(zip(codes, tokenizer.convert_tokens_to_ids(codes), strict=True))


def set_languages(
    tokenizer: PreTrainedTokenizerBase, *, source: str | None, target: str | None
) -> None:
    """Says which languages a tokenizer reads and writes, also in what is saved of it.

    Args:
        tokenizer: Changed in place where it has language codes.
        source: The code of the source language; none for a tokenizer without codes.
        target: Likewise of the target language.

    Raises:
        UserError: With a line for each code that the tokenizer lacks or that is missing.
    """
    given = {"task.source_lang": source, "task.target_lang": target}
    known = language_codes(tokenizer)
    if not known:
        if problems := [_useless(key, code) for key, code in given.items() if code is not None]:
            raise UserError(problems)
        return
    if problems := [_unknown(key, code, known) for key, code in given.items() if code not in known]:
        raise UserError(problems)
    tokenizer.src_lang, tokenizer.tgt_lang = source, target
    tokenizer.init_kwargs |= {"src_lang": source, "tgt_lang": target}


def forced_tokens(tokenizer: PreTrainedTokenizerBase, target: str | None) -> dict[str, int]:
    """Returns how a translation must begin, as fields of a generation configuration.

    Args:
        tokenizer: As `set_languages` left it.
        target: The code of the target language; none: nothing is forced.
    """
    if target is None:
        return {}
    code = language_codes(tokenizer)[target]
    # The first mBART has the code at the end of a target, and the decoder starts with it.
    last = tokenizer(text_target="a")["input_ids"][-1] == code
    return {"decoder_start_token_id" if last else "forced_bos_token_id": code}


def _unknown(key: str, code: str | None, known: dict[str, int]) -> str:
    if code is None:
        some = ", ".join(sorted(known)[:4])
        return f"`{key}` must be a language code of the tokenizer ({some}, …), but is null instead."
    return unknown_language(key, code, known)


def _useless(key: str, code: str) -> str:
    return (
        f"`{key}` must be null for a tokenizer without language codes, but is {code!r} instead; "
        "what such a model must be told stands in `task.prefix`."
    )
