"""Checks of `model.tokenizer`: a vocabulary that is there, and is the model's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from electralab.checking.local_models import LocalModel, LocalTokenizer, open_model
from electralab.data.files import looks_like_a_path

if TYPE_CHECKING:
    from pathlib import Path

    from electralab.config import ModelConfig

_MASKING = ("rtd", "mlm")


def tokenizer_problems(model: ModelConfig, local: LocalModel | None, *, task: str) -> Iterator[str]:
    """Yields a line for everything about a tokenizer that cannot work, as far as files tell.

    Args:
        model: The node `model`.
        local: Its checkpoint, if that is a folder.
        task: Name of the task.
    """
    name = model.tokenizer
    if name == "train":
        if model.name_or_path is not None:
            choice = "model.tokenizer=auto" if model.hidden_size is None else "model=auto"
            yield (
                "`model.tokenizer` must be that of `model.name_or_path`, whose weights know no "
                f"other, but is 'train' instead; choose {choice}."
            )
        elif model.vocab_size is None:
            yield "`model.vocab_size` must be set for `model.tokenizer` train, but is null instead."
        return
    if name == "auto":
        if model.name_or_path is None and model.hidden_size is not None:
            yield (
                "`model.tokenizer` must be train, a hub name, a folder or a run for a model from "
                "scratch, but is 'auto' instead."
            )
        if local is not None and local.whole:
            yield from _folder(local.place, "model.name_or_path", model.name_or_path, local, task)
        return
    found = open_model(name, "encoder")
    if found is not None:
        broken = list(_folder(found.place, "model.tokenizer", name, local, task))
        yield from broken
        if local is not None and not broken:
            yield from same_pieces("model.tokenizer", found.place, local)
    elif os.path.exists(os.path.expanduser(name)):
        yield (
            f"`model.tokenizer` must be train, a hub name, a folder or a run, but {name} is a file."
        )
    elif looks_like_a_path(name):
        yield f"`model.tokenizer` must be a folder that exists, but {name} does not."


def _folder(place: Path, key: str, name: Any, local: LocalModel | None, task: str) -> Iterator[str]:
    tokenizer = LocalTokenizer(place)
    if not tokenizer.exists:
        yield f"`{key}` must have a tokenizer, but the folder {name} holds none."
    elif tokenizer.damage:
        yield f"`{key}` must have a tokenizer that can be read, but {tokenizer.damage}."
    elif task in _MASKING and tokenizer.lacks_mask:
        # Weights know no other tokenizer than theirs.
        owners = "an ELECTRA or BERT"
        choice = f"that of {owners}, or model.tokenizer=train" if local is None else owners
        yield (
            f"`{key}` must have a tokenizer with a mask token, but that of {name} has none; choose "
            f"{choice}."
        )
    elif local is not None and tokenizer.vocabulary:
        known, pieces = local.config.get("vocab_size"), max(tokenizer.vocabulary.values()) + 1
        if isinstance(known, int) and pieces > known:
            yield (
                f"`{key}` must have a tokenizer of at most the model's {known} pieces, but that of "
                f"{name} has {pieces} instead."
            )


def same_pieces(key: str, place: Path, local: LocalModel) -> Iterator[str]:
    """Yields a line if a folder's vocabulary is not that of the model.

    Args:
        key: The configuration key that names the folder.
        place: The folder.
        local: The model.
    """
    mine, others = (LocalTokenizer(folder).vocabulary for folder in (place, local.place))
    if mine and others and mine != others:
        differing = sorted(
            map(str, {piece for piece, _ in set(mine.items()) ^ set(others.items())})
        )
        yield (
            f"`{key}` must read the same pieces as `model.name_or_path`, but {len(differing)} "
            f"differ, such as {differing[0]!r}."
        )
