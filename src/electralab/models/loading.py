"""Loading networks from checkpoints, and saying in one line why one cannot serve."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    BertModel,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    PretrainedConfig,
)

from electralab import untrusted
from electralab.errors import UserError, one_line
from electralab.models.conversion import as_electra
from electralab.models.plausible import check_content, check_size, forget_attention, why
from electralab.models.rtd import RtdPair, RtdPairConfig

log = logging.getLogger(__name__)

# Heads of another task may stay behind in a checkpoint; a layer of it may not.
_LAYER = re.compile(r"(^|\.)(layers?|h|block|albert_layer_groups|encoder_layers)\.\d+\.")


def is_pair(folder: str | Path) -> bool:
    """Says whether a folder holds a whole pair, as the ``model/`` of a run does."""
    file = Path(folder) / "config.json"
    if not file.is_file():
        return False
    try:
        return untrusted.read_json(file).get("model_type") == RtdPairConfig.model_type
    except (ValueError, AttributeError):
        return False


def load_config(name_or_path: str, *, key: str, revision: str | None) -> PretrainedConfig:
    """Loads the configuration of a checkpoint.

    Args:
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    check_content(name_or_path, refusal=weights_refusal(key, name_or_path), revision=revision)
    try:
        config = AutoConfig.from_pretrained(
            name_or_path, revision=revision, trust_remote_code=False
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        raise UserError(
            f"`{key}` must be a hub name or a folder with a config.json, but {name_or_path!r} "
            f"cannot be loaded: {why(error)}."
        ) from error
    forget_attention(config)
    return config


def load_electra(
    cls: type, name_or_path: str, *, key: str, revision: str | None = None, **overrides: Any
) -> Any:
    """Loads one ELECTRA network in float32; a BERT can become a discriminator.

    Args:
        cls: `ElectraForPreTraining` or `ElectraForMaskedLM`.
        name_or_path: Hub name or folder.
        key: The configuration key to name when it fails.
        revision: Commit, tag or branch on the hub.
        overrides: Fields of the configuration to replace, such as dropout; null keeps them.

    Raises:
        UserError: It is no ELECTRA, cannot be found, or does not fit its own configuration.
    """
    overrides = {name: value for name, value in overrides.items() if value is not None}
    if is_pair(name_or_path):
        pair = load_whole_pair(name_or_path, **overrides)
        return pair.generator if cls is ElectraForMaskedLM else pair.discriminator
    config = load_config(name_or_path, key=key, revision=revision)
    convertible = cls is ElectraForPreTraining
    if config.model_type != "electra" and not (convertible and config.model_type == "bert"):
        raise UserError(
            f"`{key}` must be an ELECTRA{' or a BERT' if convertible else ''}, but "
            f"{name_or_path!r} is a {config.model_type!r} instead."
        )
    for name, value in overrides.items():
        setattr(config, name, value)
    refusal = weights_refusal(key, name_or_path)
    source = {"revision": revision, "refusal": refusal}
    if config.model_type == "bert":
        bert = load_weights(
            BertModel, name_or_path, config=config, add_pooling_layer=False, **source
        ).whole(refusal)
        config, state = as_electra(bert)
        loaded = load_weights(cls, None, config=config, refusal=refusal, state_dict=state)
    else:
        loaded = load_weights(cls, name_or_path, config=config, **source)
    loaded.check_shapes(refusal)
    if lost := [name for name in loaded.missing if name.startswith("electra.")]:
        raise UserError(lacks(refusal, lost))
    if loaded.missing:
        say_fresh(name_or_path, loaded.missing)
    return loaded.model


def load_whole_pair(folder: str | Path, **overrides: Any) -> RtdPair:
    """Loads the pair of a run in float32.

    Args:
        folder: A folder for which `is_pair` holds.
        overrides: Fields of both configurations to replace, such as dropout; null keeps them.

    Raises:
        UserError: Its weights are damaged or do not fit its configuration.
    """
    refusal = f"{folder} must hold a whole model, but does not"
    check_content(folder, refusal=refusal)
    try:
        config = RtdPairConfig.from_pretrained(folder)
    except Exception as error:
        raise UserError(f"{refusal}: {one_line(error)}.") from error
    forget_attention(config)
    for part in (config.generator, config.discriminator):
        for name, value in overrides.items():
            if value is not None:
                setattr(part, name, value)
    return load_weights(RtdPair, folder, config=config, refusal=refusal).whole(refusal)


@dataclass(frozen=True)
class Loaded:
    """What came of loading weights.

    Args:
        model: The model, in float32.
        missing: Its tensors that the weights do not hold, sorted; they are random numbers.
        mismatched: Name, shape in the weights and shape by the configuration, of those that
            differ; they are random numbers as well.
    """

    model: Any
    missing: list[str]
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]]

    def check_shapes(self, refusal: str) -> None:
        """Refuses weights of other shapes than the configuration says.

        Raises:
            UserError: With the first tensor that differs.
        """
        for name, found, wanted in self.mismatched[:1]:
            raise UserError(
                f"{refusal}: {name} has the shape {list(found)}, and {list(wanted)} by its "
                "config.json."
            )

    def whole(self, refusal: str) -> Any:
        """Returns the model, every tensor of which must have been loaded.

        Raises:
            UserError: One is missing or has another shape.
        """
        self.check_shapes(refusal)
        if self.missing:
            raise UserError(lacks(refusal, self.missing))
        return self.model


def load_weights(
    cls: type, source: str | Path | None, *, config: PretrainedConfig, refusal: str, **options: Any
) -> Loaded:
    """Loads weights in float32 from safetensors; what they lack is drawn at random.

    Args:
        cls: Class of the model.
        source: Hub name or folder; none: ``state_dict`` is among the options.
        config: Configuration of the model.
        refusal: How a message begins if they cannot be loaded.
        options: Of `from_pretrained`.

    Raises:
        UserError: They cannot be read, or have layers that the configuration does not know.
    """
    if source is not None:
        check_size(cls, source, config=config, refusal=refusal)
    try:
        model, info = cls.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # Transformers would refuse without naming a tensor
            output_loading_info=True,
            **options,
        )
    except Exception as error:  # the loaders raise nearly anything on a damaged folder
        raise UserError(f"{refusal}: {one_line(error)}.") from error
    if source is None:
        model.config.name_or_path = ""  # which would be the word None
    if left := sorted(name for name in info["unexpected_keys"] if _LAYER.search(name)):
        raise UserError(f"{refusal}: it has {left[0]}, and by its config.json none.")
    mismatched = sorted(
        (name, tuple(found), tuple(wanted)) for name, found, wanted in info["mismatched_keys"]
    )
    return Loaded(model, sorted(info["missing_keys"]), mismatched)


def weights_refusal(key: str, name_or_path: str) -> str:
    """Returns how a message about the weights of a checkpoint begins."""
    return (
        f"`{key}` must hold weights in safetensors that fit its config.json, but "
        f"{name_or_path!r} does not"
    )


def lacks(refusal: str, names: list[str]) -> str:
    """Returns the message about tensors that are missing."""
    return f"{refusal}: it lacks {len(names)} tensors, {names[0]} the first of them."


def say_fresh(name_or_path: str, names: list[str]) -> None:
    """Warns of tensors that start from random numbers."""
    heads = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
    log.warning(
        "%s lacks the head %s: %d tensors start from random numbers.",
        name_or_path,
        heads,
        len(names),
    )
