"""What cannot be translated, as far as the keys and a local model's files tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from electralab.checking.local_models import LocalTokenizer, open_model
from electralab.checking.nearest import did_you_mean

if TYPE_CHECKING:
    from electralab.config import ModelConfig
    from electralab.task_config import TranslationConfig

# Kinds of models that must be told the languages; of others nobody asks.
MULTILINGUAL = ("mbart", "m2m_100", "nllb-moe")
_CODE = re.compile(r"[a-z]{2,3}_[A-Za-z]{2,4}|__[a-z]{2,3}__")  # en_XX, eng_Latn, __en__


def translation_problems(task: TranslationConfig, model: ModelConfig) -> Iterator[str]:
    """Yields a line for each language that is missing, unknown or of no use.

    Models of the hub are asked only when they are loaded.

    Args:
        task: The keys of `task`.
        model: The keys of `model`.
    """
    given = {"task.source_lang": task.source_lang, "task.target_lang": task.target_lang}
    local = open_model(model.name_or_path, "discriminator")
    if model.name_or_path is not None and local is None:
        return
    kind = local.whole.get("model_type") if local else None
    if kind not in MULTILINGUAL:
        for key, code in given.items():
            if code is not None:
                what = f"a {kind}" if kind else "a model from scratch"
                yield (
                    f"`{key}` must be null for {what}, which has no language codes, but is "
                    f"{code!r} instead; what it must be told stands in `task.prefix`."
                )
        return
    pieces = LocalTokenizer(local.place).vocabulary
    for key, code in given.items():
        if code is None:
            yield (
                f"`{key}` must be a language code, such as en_XX of an mBART, for a {kind}, but is "
                "null instead."
            )
        elif pieces and code not in pieces and f"__{code}__" not in pieces:
            yield unknown_language(key, code, _codes(pieces))


def unknown_language(key: str, code: str, known: Collection[str]) -> str:
    """Returns the problem of a language code that a tokenizer lacks, with those most like it.

    Args:
        key: The key that holds it.
        code: The code.
        known: Those that the tokenizer has.
    """
    # fr is meant for fr_XX or fra_Latn, which plain likeness does not see.
    alike = sorted(name for name in known if name[:2].lower() == code[:2].lower())
    found = (
        f"; did you mean `{alike[0]}`?" if len(alike) == 1 else did_you_mean(code, alike or known)
    )
    return f"`{key}` must be a language code of the tokenizer, but is {code!r} instead{found}"


def _codes(pieces: dict[str, int]) -> list[str]:
    return [piece.strip("_") for piece in pieces if _CODE.fullmatch(piece)]
