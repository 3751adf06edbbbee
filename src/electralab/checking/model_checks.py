"""Checks of the node `model`: sizes that fit, folders that are there, kinds that serve the task."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from electralab.checking.local_models import LocalModel, open_model
from electralab.checking.rules import Rule, ask
from electralab.checking.tokenizer_checks import same_pieces, tokenizer_problems
from electralab.data.files import looks_like_a_path
from electralab.models.positions import usable_positions

if TYPE_CHECKING:
    from electralab.config import GeneratorConfig, ModelConfig

_NETWORK = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_SHARED = ("embedding_size", "max_position_embeddings")
_WANTED = {
    "rtd": "an ELECTRA or a BERT",
    "mlm": "an encoder that fills in masks, such as a BERT, RoBERTa or ELECTRA",
    "classification": "an encoder, such as a BERT, RoBERTa or ELECTRA",
    "translation": "an encoder with a decoder, such as a Marian, T5 or mBART",
}
# The half of a run of replaced token detection that serves a task.
PART = {"mlm": "generator"}


def model_problems(
    model: ModelConfig,
    *,
    task: str,
    max_length: int,
    max_target_length: int | None = None,
    refused: Collection[str] = (),
) -> Iterator[str]:
    """Yields a line for everything about a model that cannot work, as far as files tell.

    Args:
        model: The node `model`.
        task: Name of the task.
        max_length: Tokens of an example.
        max_target_length: Tokens of a translation; none: as `max_length`.
        refused: Keys for which a stand-in is there; what judges them is not asked.
    """
    local = open_model(model.name_or_path, PART.get(task, "discriminator"))
    name, inner = "model.name_or_path", "model.generator.name_or_path"
    lengths = {"data.max_length": max_length}
    if task == "translation" and max_target_length is not None:
        lengths["data.max_target_length"] = max_target_length
    scratch = _from_scratch(model, task, refused)
    # A null stands for most keys that were refused, and is nothing that these judge.
    rules: list[Rule] = [
        ((name,), _named(name, model.name_or_path, local, task)),
        ((name,), scratch if model.name_or_path is None else _from_checkpoint(model, local)),
        (("model.attention", "model.dropout"), _attention(model)),
        ((), _heads("model", model)),
        ((), _positions(name, local, lengths)),
        ((), _own_positions(model, lengths)),
        (
            (name, "model.tokenizer", "model.vocab_size"),
            tokenizer_problems(model, local, task=task),
        ),
    ]
    if task == "rtd":  # the others have no generator, and leave what a model's file says of one
        generator = open_model(model.generator.name_or_path, "generator")
        rules += [
            ((inner,), _named(inner, model.generator.name_or_path, generator, task)),
            ((name,), _generator(model, local)),
            ((), _heads("model.generator", model.generator)),
            ((), _positions(inner, generator, lengths)),
            ((), _agree(local, generator) if local and generator else ()),
        ]
    yield from ask(rules, refused=refused)


def _named(key: str, name: str | None, local: LocalModel | None, task: str) -> Iterator[str]:
    if name is None:
        return
    if local is None:
        if os.path.exists(os.path.expanduser(name)):
            yield f"`{key}` must be a hub name, a folder or a run, but {name} is a file."
        elif looks_like_a_path(name):
            yield f"`{key}` must be a folder that exists, but {name} does not."
    elif not local.whole and local.is_run:
        yield (
            f"`{key}` must be a run that has ended, but {name} has no model yet; wait for it, or "
            f"go on with it by resume={name}."
        )
    elif not local.whole:
        yield f"`{key}` must be a folder with a readable config.json, but {name} has none."
    elif not _serves(local, task, generator=key != "model.name_or_path"):
        wanted = _WANTED[task] if key == "model.name_or_path" else "an ELECTRA"
        kind = "discriminator" if local.is_pair else local.whole.get("model_type")
        yield f"`{key}` must be {wanted}, but {name} is of the type {kind!r} instead."
    elif local.damage:
        yield f"`{key}` must hold a model with its weights in safetensors, but {local.damage}."


def _serves(local: LocalModel, task: str, *, generator: bool) -> bool:
    if local.is_pair:
        return task != "translation"
    if task == "rtd":
        kinds = ("electra",) if generator else ("electra", "bert")
        return local.whole.get("model_type") in kinds
    return local.has_decoder is (task == "translation")


def _attention(model: ModelConfig) -> Iterator[str]:
    if model.attention == "flex_attention" and model.dropout != 0:
        yield "`model.dropout` must be 0 with model.attention=flex_attention, which has none."


def _from_scratch(model: ModelConfig, task: str, refused: Collection[str]) -> Iterator[str]:
    names = (*_NETWORK, *_SHARED)
    architecture, examples = "electra", "electra_small"
    if task == "translation":
        names = (*_NETWORK, "max_position_embeddings")
        architecture, examples = "marian", "marian_tiny"
    wanted = {f"model.{name}": getattr(model, name) for name in names}
    if task == "rtd":
        wanted |= {f"model.generator.{name}": getattr(model.generator, name) for name in _NETWORK}
    wanted = {key: value for key, value in wanted.items() if key not in refused}
    if not any(wanted.values()):
        yield (
            "`model.name_or_path` must be set where `model` has no sizes: a hub name, a folder or "
            "a run."
        )
        return
    if model.architecture != architecture and "model.architecture" not in refused:
        yield (
            f"`model.architecture` must be {architecture} for task={task} from scratch, but is "
            f"{model.architecture} instead; choose model={examples}, or a checkpoint with "
            "model=auto model.name_or_path=…"
        )
        return
    for key, value in wanted.items():
        if value is None:
            yield (
                f"`{key}` must be set for a model from scratch, but is null instead; or name a "
                "checkpoint with model=auto model.name_or_path=…"
            )
    if task == "rtd" and model.generator.name_or_path is not None:
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
    width = local.token_width if local else None
    if width is not None and model.embedding_size not in (None, width):
        yield (
            f"`model.embedding_size` must be that of `model.name_or_path`, {width}, but is "
            f"{model.embedding_size} instead."
        )


def _generator(model: ModelConfig, local: LocalModel | None) -> Iterator[str]:
    if model.name_or_path is None:
        return
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


def _heads(node: str, sizes: ModelConfig | GeneratorConfig) -> Iterator[str]:
    heads, width = sizes.num_attention_heads, sizes.hidden_size
    if heads and width and width % heads:
        yield (
            f"`{node}.hidden_size` must be a multiple of `{node}.num_attention_heads` ({heads}), "
            f"but is {width} instead."
        )


def _own_positions(model: ModelConfig, lengths: dict[str, int]) -> Iterator[str]:
    yield from _too_long("model.max_position_embeddings", model.max_position_embeddings, lengths)


def _positions(key: str, local: LocalModel | None, lengths: dict[str, int]) -> Iterator[str]:
    if local is not None:
        yield from _too_long(key, usable_positions(local.config), lengths)


def _too_long(key: str, most: int | None, lengths: dict[str, int]) -> Iterator[str]:
    for name, length in lengths.items():
        if most is not None and length > most:
            yield (
                f"`{name}` must be at most {most}, the positions of `{key}`, but is {length} "
                "instead."
            )


def _agree(local: LocalModel, generator: LocalModel) -> Iterator[str]:
    for field, one, other in (
        ("vocab_size", generator.config.get("vocab_size"), local.config.get("vocab_size")),
        ("embedding_size", generator.token_width, local.token_width),
    ):
        if None not in (one, other) and one != other:
            yield (
                f"`model.generator.name_or_path` must have the `{field}` of `model.name_or_path`, "
                f"{other}, but has {one} instead."
            )
            return
    yield from same_pieces("model.generator.name_or_path", generator.place, local)
