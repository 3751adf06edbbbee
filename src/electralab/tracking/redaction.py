"""Keeping secrets out of what a run records."""

from __future__ import annotations

import os
import re

HIDDEN = "***"

# `token` alone, or behind a word that makes it a credential: `pad_token` and `max_new_tokens` are
# settings of a tokenizer.
_SECRET_KEY = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|secret|secrets|credential|credentials|api_?key|access_?key"
    r"|secret_?key|private_?key)$"
    r"|^token$|(?:^|_)(?:hub|hf|auth|access|api|bearer|session|refresh|private|personal)_token$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)[^/\s'\"]*@")
_QUERY = re.compile(
    r"(?P<key>[?&](?:password|passwd|token|secret|sig|signature|api_?key|access_?key|"
    r"x-amz-[a-z-]*|x-goog-[a-z-]*)=)[^&\s'\"#]*",
    re.IGNORECASE,
)
# Tokens that are recognised by their own form: Hugging Face, AWS, GitHub, OpenAI-like.
_TOKEN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|sk-[A-Za-z0-9_\-]{20,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=\-]{16,}"
)
# Of variables of the environment, among which no setting of a tokenizer is, but PWD is.
_SECRET_VARIABLE = re.compile(
    r"(?:TOKEN|PASSWORD|PASSWD|SECRET|(?:API|ACCESS|SECRET|PRIVATE)_?KEY)$", re.IGNORECASE
)
_SHORTEST = 8  # characters of a variable's value that is looked for in texts
# `name = value` or `name: value` in a text, such as a patch or a log, where the name is as above.
_ASSIGNED = re.compile(
    r"""(?P<name>(?<![A-Za-z0-9])(?:[\w.-]*[_.-])?
        (?:password|passwd|pwd|secrets?|credentials?|(?:api|access|secret|private)_?key
        |(?:hub|hf|auth|access|api|bearer|session|refresh|private|personal)_token
        |(?<![\w])token(?=["']?\s*[:=]\s*["']?[\w-]{16}))  # alone, it is mostly one of a text
        ["']?(?:\s*:\s*[\w.]+(?=\s*=))?\s*[:=]\s*)
        (?P<value>"[^"\n]+"|'[^'\n]+'
        |(?!(?:none|null|true|false|str|bytes|int|bool)\b)[^\s"'(){}\[\],;=]+(?=[\s,;)]|$))""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def is_secret(key: str) -> bool:
    """Whether the last part of a dotted key names a credential.

    >>> is_secret("trainer.hub_token"), is_secret("model.tokenizer")
    (True, False)
    """
    return bool(_SECRET_KEY.search(key.rsplit(".", 1)[-1]))


def is_secret_variable(name: str) -> bool:
    """Whether a variable of the environment holds a credential, by its name."""
    return bool(_SECRET_VARIABLE.search(name))


def _in_environment() -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and is_secret_variable(name)
    ]


def mask(text: str) -> str:
    """Replaces credentials inside URIs, well-known tokens and the environment's by ``***``.

    >>> mask("postgresql://me:pass@host/db")
    'postgresql://***@host/db'
    """
    for value in _in_environment():
        text = text.replace(value, HIDDEN)
    text = _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _TOKEN.sub(HIDDEN, _QUERY.sub(rf"\g<key>{HIDDEN}", text))


def mask_value(key: str, text: str) -> str:
    """The value of a key as it may be recorded: hidden when the key names a credential."""
    return HIDDEN if is_secret(key) and text not in ("", "null") else mask(text)


def mask_text(text: str) -> str:
    """Replaces what `mask` does, and the values of names that look like secrets, in any text.

    >>> mask_text("db_password = 'tiger'  # pad_token = '[PAD]'")
    "db_password = ***  # pad_token = '[PAD]'"
    """
    return mask(_ASSIGNED.sub(rf"\g<name>{HIDDEN}", text))


def without_secrets(overrides: list[str]) -> list[str]:
    """Hides credentials in words of the form ``key=value``."""
    parts = (word.partition("=") for word in overrides)
    return [f"{mask(key)}{sign}{mask_value(key, value)}" for key, sign, value in parts]
