"""Building the pair: from scratch, or from checkpoints of the hub, of a folder or of a run."""

from __future__ import annotations

import logging

import torch
from transformers import (
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    PreTrainedModel,
)

from electralab.errors import UserError, one_line
from electralab.models.loading import load_electra
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
    initializer_range: float = 0.02,
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
        initializer_range=initializer_range,
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
    if share == "all":
        _check_tables(gen.config, disc.config)
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


def set_attention(model: PreTrainedModel, name: str) -> None:
    """Chooses the implementation of attention.

    Raises:
        UserError: It is not there on this machine.
    """
    try:
        model.set_attn_implementation(name)
    except (ImportError, ValueError, RuntimeError) as error:
        raise UserError(
            f"`model.attention` must be one that this machine has, but {name} cannot be used: "
            f"{one_line(error)}."
        ) from error


def _check_tables(generator: ElectraConfig, discriminator: ElectraConfig) -> None:
    for field in ("max_position_embeddings", "type_vocab_size"):
        one, other = getattr(generator, field), getattr(discriminator, field)
        if one != other:
            raise UserError(
                "`model.share_embeddings` must be none or null where the generator's "
                f"`{field}`, {one}, is not the discriminator's, {other}."
            )


def _same_tables(generator: ElectraForMaskedLM, discriminator: ElectraForPreTraining) -> bool:
    one = generator.electra.embeddings.state_dict()
    other = discriminator.electra.embeddings.state_dict()
    return all(one[k].shape == v.shape and torch.equal(one[k], v) for k, v in other.items())
