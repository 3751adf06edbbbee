"""Building the pair: from scratch, or from checkpoints of the hub, of a folder or of a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining

from electralab.errors import UserError
from electralab.models.rtd import RtdPair, RtdPairConfig

log = logging.getLogger(__name__)

DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def electra_config(
    *,
    vocab_size: int,
    embedding_size: int,
    hidden_size: int,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    max_position_embeddings: int,
    dropout: float,
    pad_token_id: int,
) -> ElectraConfig:
    """Returns the configuration of one network that is built from scratch."""
    return ElectraConfig(
        vocab_size=vocab_size,
        embedding_size=embedding_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        intermediate_size=intermediate_size,
        max_position_embeddings=max_position_embeddings,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=pad_token_id,
    )


def generator_for(discriminator: ElectraConfig, sizes: dict[str, int | None]) -> ElectraConfig:
    """Returns the configuration of a fresh generator for a discriminator.

    Args:
        discriminator: Gives vocabulary, token width and all else that is not a size.
        sizes: Fields to replace; a width that is not given is a quarter of the discriminator's
            (Clark et al. 2020, section 3.2).
    """
    config = ElectraConfig(**discriminator.to_dict())
    heads = max(1, discriminator.num_attention_heads // 4)
    config.hidden_size = heads * (discriminator.hidden_size // discriminator.num_attention_heads)
    config.num_attention_heads = heads
    config.intermediate_size = 4 * (sizes.get("hidden_size") or config.hidden_size)
    for name, value in sizes.items():
        if value is not None:
            setattr(config, name, value)
    return config


def is_pair(folder: str | Path) -> bool:
    """Says whether a folder holds a whole pair, as the ``model/`` of a run does."""
    file = Path(folder) / "config.json"
    if not file.is_file():
        return False
    try:
        return json.loads(file.read_text()).get("model_type") == RtdPairConfig.model_type
    except (ValueError, AttributeError):
        return False


def load_electra(
    cls: type, name_or_path: str, *, key: str, revision: str | None = None, **overrides: Any
) -> Any:
    """Loads one ELECTRA network in float32.

    Args:
        cls: `ElectraForPreTraining` or `ElectraForMaskedLM`.
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.
        overrides: Fields of the configuration to replace, such as dropout.

    Raises:
        UserError: It is no ELECTRA, cannot be found, or does not fit its own configuration.
    """
    overrides = {name: value for name, value in overrides.items() if value is not None}
    if is_pair(name_or_path):
        pair = load_whole_pair(name_or_path, **overrides)
        return pair.generator if cls is ElectraForMaskedLM else pair.discriminator
    try:
        config = AutoConfig.from_pretrained(name_or_path, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"`{key}` must be a hub name or a folder with a config.json, but {name_or_path!r} "
            f"cannot be loaded: {_first_line(error)}"
        ) from error
    if config.model_type != "electra":
        raise UserError(
            f"`{key}` must be an ELECTRA, but {name_or_path!r} is a {config.model_type!r} instead."
        )
    for name, value in overrides.items():
        setattr(config, name, value)
    try:
        model, info = cls.from_pretrained(
            name_or_path,
            config=config,
            revision=revision,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"`{key}` must hold weights in safetensors that fit its config.json, but "
            f"{name_or_path!r} does not: {_first_line(error)}"
        ) from error
    missing = sorted(name for name in info["missing_keys"] if name.startswith("electra."))
    if missing:
        raise UserError(
            f"`{key}` must hold the whole encoder, but {name_or_path!r} lacks {len(missing)} of "
            f"its tensors, {missing[0]} the first of them."
        )
    fresh = sorted(set(info["missing_keys"]) - set(missing))
    if fresh:
        log.warning("%s has no %s; it starts from random numbers.", name_or_path, ", ".join(fresh))
    return model


def load_whole_pair(folder: str, **overrides: Any) -> RtdPair:
    """Loads the pair of a run in float32.

    Args:
        folder: A folder for which `is_pair` holds.
        overrides: Fields of both configurations to replace, such as dropout; null keeps them.

    Raises:
        UserError: Its weights are damaged or do not fit its configuration.
    """
    try:
        config = RtdPairConfig.from_pretrained(folder)
        for part in (config.generator, config.discriminator):
            for name, value in overrides.items():
                if value is not None:
                    setattr(part, name, value)
        return RtdPair.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        raise UserError(f"{folder} must hold a whole model: {_first_line(error)}") from error


def load_pair(
    discriminator: str,
    *,
    generator: str | None,
    generator_sizes: dict[str, int | None],
    revision: str | None,
    share_embeddings: str | None,
    dropout: float | None,
) -> RtdPair:
    """Joins two checkpoints, or a checkpoint and a fresh generator, into a pair.

    Args:
        discriminator: Hub name or folder.
        generator: Hub name or folder; none: from scratch.
        generator_sizes: Sizes of a generator from scratch, as for `generator_for`.
        revision: Commit, tag or branch of the discriminator on the hub.
        share_embeddings: ``all`` or ``none``; none: ``all`` if the tables are equal or fresh.
        dropout: Replaces the checkpoints' dropout; none: as they have it.

    Raises:
        UserError: A checkpoint cannot be loaded or the two do not fit together.
    """
    drop = dict.fromkeys(DROPOUT, dropout)
    disc = load_electra(
        ElectraForPreTraining,
        discriminator,
        key="model.name_or_path",
        revision=revision,
        **drop,
    )
    if generator:
        gen = load_electra(
            ElectraForMaskedLM, generator, key="model.generator.name_or_path", **drop
        )
        equal = _same_tables(gen, disc)
    else:
        gen = ElectraForMaskedLM(generator_for(disc.config, generator_sizes))
        equal = True
        log.warning("No generator is named: a fresh one, %d wide, is used.", gen.config.hidden_size)
    check_fit(gen.config, disc.config)
    share = share_embeddings or ("all" if equal else "none")
    if share == "all" and not equal:
        log.warning(
            "The generator's embeddings differ from the discriminator's and are replaced by them; "
            "model.share_embeddings=none keeps both."
        )
    pair = RtdPair(
        RtdPairConfig(
            generator=gen.config.to_dict(),
            discriminator=disc.config.to_dict(),
            share_embeddings=share,
        )
    )
    pair.generator.load_state_dict(gen.state_dict())
    pair.discriminator.load_state_dict(disc.state_dict())  # the shared tables are these
    return pair


def check_fit(generator: ElectraConfig, discriminator: ElectraConfig) -> None:
    """Refuses two networks that cannot read the same tokens.

    Raises:
        UserError: Their vocabularies or the widths of their token tables differ.
    """
    for field in ("vocab_size", "embedding_size"):
        one, other = getattr(generator, field), getattr(discriminator, field)
        if one != other:
            raise UserError(
                f"`model.generator` must have the discriminator's `{field}` {other}, but has {one} "
                "instead; choose a generator of the same family."
            )
    if generator.hidden_size >= discriminator.hidden_size:
        log.warning(
            "The generator is as wide as its discriminator (%d); a quarter to half of the width "
            "teaches the discriminator more (Clark et al. 2020, figure 3).",
            generator.hidden_size,
        )


def _same_tables(generator: ElectraForMaskedLM, discriminator: ElectraForPreTraining) -> bool:
    one = generator.electra.embeddings.state_dict()
    other = discriminator.electra.embeddings.state_dict()
    return all(one[k].shape == v.shape and torch.equal(one[k], v) for k, v in other.items())


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
