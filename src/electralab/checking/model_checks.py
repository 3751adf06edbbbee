"""Checks of the node `model`: sizes that fit, folders that are there, pieces that agree."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from electralab.checking.local_models import LocalModel, LocalTokenizer, open_model
from electralab.checking.rules import Rule, ask
from electralab.data.files import looks_like_a_path

if TYPE_CHECKING:
    from pathlib import Path

    from electralab.config import GeneratorConfig, ModelConfig

_NETWORK = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_SHARED = ("embedding_size", "max_position_embeddings")


def model_problems(
    model: ModelConfig, *, max_length: int, refused: Collection[str] = ()
) -> Iterator[str]:
    """Yields a line for everything about a model that cannot work, as far as files tell.

    Args:
        model: The node `model`.
        max_length: Tokens of an example.
        refused: Keys for which a stand-in is there; what judges them is not asked.
    """
    local = open_model(model.name_or_path, "discriminator")
    generator = open_model(model.generator.name_or_path, "generator")
    name, inner = "model.name_or_path", "model.generator.name_or_path"
    fresh = _from_scratch(model, refused)
    # A null stands for most keys that were refused, and is nothing that these judge.
    rules: list[Rule] = [
        ((name,), _named(name, model.name_or_path, local)),
        ((inner,), _named(inner, model.generator.name_or_path, generator)),
        ((name,), fresh if model.name_or_path is None else _from_checkpoint(model, local)),
        (("model.attention", "model.dropout"), _attention(model)),
        ((), _heads("model", model)),
        ((), _heads("model.generator", model.generator)),
        ((), _positions(model, local, generator, max_length)),
        ((name, "model.tokenizer", "model.vocab_size"), _tokenizer(model, local)),
        ((), _agree(local, generator) if local and generator else ()),
    ]
    yield from ask(rules, refused=refused)


def _named(key: str, name: str | None, local: LocalModel | None) -> Iterator[str]:
    if name is None:
        return
    if local is None:
        if os.path.exists(os.path.expanduser(name)):
            yield f"`{key}` must be a hub name, a folder or a run, but {name} is a file."
        elif looks_like_a_path(name):
            yield f"`{key}` must be a folder that exists, but {name} does not."
    elif not local.whole:
        yield f"`{key}` must be a folder with a readable config.json, but {name} has none."
    elif not local.is_pair and (kind := local.whole.get("model_type")) != "electra":
        yield f"`{key}` must be an ELECTRA, but {name} is of the type {kind!r} instead."
    elif local.damage:
        yield f"`{key}` must hold a model with its weights in safetensors, but {local.damage}."


def _attention(model: ModelConfig) -> Iterator[str]:
    if model.attention == "flex_attention" and model.dropout != 0:
        yield "`model.dropout` must be 0 with model.attention=flex_attention, which has none."


def _from_scratch(model: ModelConfig, refused: Collection[str]) -> Iterator[str]:
    wanted = {f"model.{name}": getattr(model, name) for name in (*_NETWORK, *_SHARED)}
    wanted |= {f"model.generator.{name}": getattr(model.generator, name) for name in _NETWORK}
    wanted = {key: value for key, value in wanted.items() if key not in refused}
    if not any(wanted.values()):
        yield (
            "`model.name_or_path` must be set where `model` has no sizes: a hub name, a folder or "
            "a run."
        )
        return
    for key, value in wanted.items():
        if value is None:
            yield (
                f"`{key}` must be set for a model from scratch, but is null instead; or name a "
                "checkpoint with model=auto model.name_or_path=…"
            )
    if model.generator.name_or_path is not None:
        yield (
            "`model.generator.name_or_path` must be null for a discriminator from scratch, but is "
            f"{model.generator.name_or_path} instead."
        )


def _from_checkpoint(model: ModelConfig, local: LocalModel | None) -> Iterator[str]:
    given = [f"`model.{n}`" for n in (*_NETWORK, _SHARED[1]) if getattr(model, n) is not None]
    if given:
        yield (
            f"{', '.join(given)} must be null with `model.name_or_path`, which has sizes of its "
            "own; choose model=auto."
        )
    sizes = [name for name in _NETWORK if getattr(model.generator, name) is not None]
    if 0 < len(sizes) < len(_NETWORK):
        missing = ", ".join(f"`model.generator.{name}`" for name in _NETWORK if name not in sizes)
        yield f"{missing} must be set as well for a generator from scratch; set all four or none."
    if sizes and model.generator.name_or_path is not None:
        yield (
            f"`model.generator.{sizes[0]}` must be null with `model.generator.name_or_path`, which "
            "has sizes of its own."
        )
    if local and local.is_pair and (sizes or model.generator.name_or_path is not None):
        yield (
            "`model.generator` must not be set where `model.name_or_path` is a run, which brings "
            "its own generator."
        )
    width = local.config.get("embedding_size") if local else None
    if width is not None and model.embedding_size not in (None, width):
        yield (
            f"`model.embedding_size` must be that of `model.name_or_path`, {width}, but is "
            f"{model.embedding_size} instead."
        )


def _heads(node: str, sizes: ModelConfig | GeneratorConfig) -> Iterator[str]:
    heads, width = sizes.num_attention_heads, sizes.hidden_size
    if heads and width and width % heads:
        yield (
            f"`{node}.hidden_size` must be a multiple of `{node}.num_attention_heads` ({heads}), "
            f"but is {width} instead."
        )


def _positions(
    model: ModelConfig, local: LocalModel | None, generator: LocalModel | None, max_length: int
) -> Iterator[str]:
    for key, most in (
        ("model.max_position_embeddings", model.max_position_embeddings),
        ("model.name_or_path", local and local.config.get("max_position_embeddings")),
        (
            "model.generator.name_or_path",
            generator and generator.config.get("max_position_embeddings"),
        ),
    ):
        if isinstance(most, int) and max_length > most:
            yield (
                f"`data.max_length` must be at most {most}, the positions of `{key}`, but is "
                f"{max_length} instead."
            )


def _tokenizer(model: ModelConfig, local: LocalModel | None) -> Iterator[str]:
    name = model.tokenizer
    if name == "train":
        if model.name_or_path is not None:
            yield (
                "`model.tokenizer` must be that of `model.name_or_path`, whose weights know no "
                "other, but is 'train' instead; choose model=auto."
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
            yield from _folder(local.place, "model.name_or_path", model.name_or_path, local)
        return
    found = open_model(name, "encoder")
    if found is not None:
        broken = list(_folder(found.place, "model.tokenizer", name, local))
        yield from broken
        if local is not None and not broken:
            yield from _same_pieces("model.tokenizer", found.place, local)
    elif os.path.exists(os.path.expanduser(name)):
        yield (
            f"`model.tokenizer` must be train, a hub name, a folder or a run, but {name} is a file."
        )
    elif looks_like_a_path(name):
        yield f"`model.tokenizer` must be a folder that exists, but {name} does not."


def _folder(place: Path, key: str, name: Any, local: LocalModel | None) -> Iterator[str]:
    tokenizer = LocalTokenizer(place)
    if not tokenizer.exists:
        yield f"`{key}` must have a tokenizer, but the folder {name} holds none."
    elif tokenizer.damage:
        yield f"`{key}` must have a tokenizer that can be read, but {tokenizer.damage}."
    elif tokenizer.lacks_mask:
        yield (
            f"`{key}` must have a tokenizer with a mask token, but that of {name} has none; choose "
            "the tokenizer of an ELECTRA or BERT, or model.tokenizer=train."
        )
    elif local is not None and tokenizer.vocabulary:
        known, pieces = local.config.get("vocab_size"), max(tokenizer.vocabulary.values()) + 1
        if isinstance(known, int) and pieces > known:
            yield (
                f"`{key}` must have a tokenizer of at most the model's {known} pieces, but that of "
                f"{name} has {pieces} instead."
            )


def _agree(local: LocalModel, generator: LocalModel) -> Iterator[str]:
    for field in ("vocab_size", "embedding_size"):
        one, other = generator.config.get(field), local.config.get(field)
        if None not in (one, other) and one != other:
            yield (
                f"`model.generator.name_or_path` must have the `{field}` of `model.name_or_path`, "
                f"{other}, but has {one} instead."
            )
            return
    yield from _same_pieces("model.generator.name_or_path", generator.place, local)


def _same_pieces(key: str, place: Path, local: LocalModel) -> Iterator[str]:
    mine, others = (LocalTokenizer(folder).vocabulary for folder in (place, local.place))
    if mine and others and mine != others:
        differing = sorted(
            map(str, {piece for piece, _ in set(mine.items()) ^ set(others.items())})
        )
        yield (
            f"`{key}` must read the same pieces as `model.name_or_path`, but {len(differing)} "
            f"differ, such as {differing[0]!r}."
        )
