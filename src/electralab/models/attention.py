"""The attention of a model, above all where its rows hold several texts that must stay apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from accelerate import PartialState
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from electralab.errors import UserError
from electralab.models.apart import encoder_inputs
from electralab.models.build import set_attention

_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
_FLEX = "flex_attention"
_NARROWEST = 16  # a head that flex attention has a kernel for
_WINDOWS = ("sliding_window", "local_attention", "attention_window")
_ENOUGH = 10  # tokens of a row to try, where a token sees the whole of its text
_PADS = 2  # of them
_TOLERANCE = 1e-4  # of the largest output; float32 makes a hundredth of it, a leak a hundred times
# What a model may raise that knows nothing of such inputs.
_UNABLE = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, AssertionError)


def choose_attention(model: PreTrainedModel, wanted: str | None, *, apart: bool) -> None:
    """Chooses the implementation of attention.

    A mask that keeps texts apart is mostly empty. Flex attention leaves out what is, but only on a
    GPU is it faster, and it has no dropout; elsewhere sdpa or what the model has serves best.

    Args:
        model: The model.
        wanted: ``eager``, ``sdpa``, ``flex_attention`` or ``flash_attention_2``; none: the best.
        apart: Whether rows hold several texts that are kept apart.

    Raises:
        UserError: What is wanted is not there on this machine.
    """
    if wanted is None and apart and _flex_serves(model):
        wanted = _FLEX
    if wanted is not None:
        set_attention(model, wanted)


def _flex_serves(model: PreTrainedModel) -> bool:
    on_gpu = PartialState().device.type == "cuda"
    return on_gpu and model._supports_flex_attn and all(map(_fits_flex, _configs(model.config)))


def _fits_flex(config: PretrainedConfig) -> bool:
    width, heads = (getattr(config, name, 0) for name in ("hidden_size", "num_attention_heads"))
    drops = any(getattr(config, name, 0) for name in _DROPOUT)
    return bool(heads) and width // heads >= _NARROWEST and not drops


def _configs(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    """Yields the configurations of a model's networks."""
    parts = [getattr(config, name) for name in config.sub_configs]
    yield from parts or [config]


@torch.no_grad()
def require_apart(model: PreTrainedModel, tokens: Sequence[int], *, max_length: int) -> None:
    """Refuses a model in which texts of one row are not as they are alone.

    Some read no such mask, count positions in a way of their own or look at a token's neighbours;
    which do is found out by trying, for their number grows.

    Args:
        model: A model with one network that gives ``logits`` a token, on the CPU; its mode is left
            as it was.
        tokens: Ids of a few tokens that are not special.
        max_length: Tokens of a row; those of a model that sees only so far are tried as long.

    Raises:
        UserError: They differ, or the model takes no such rows at all.
    """
    training, attention = model.training, model.config._attn_implementation
    model.eval()
    if attention == _FLEX:  # it would be compiled, which takes a while and a compiler
        set_attention(model, "eager")
    try:
        differs = _difference(model, torch.tensor(tokens), max_length) > _TOLERANCE
    except _UNABLE:
        differs = True
    finally:
        model.train(training)
        if attention == _FLEX:
            set_attention(model, attention)
    if differs:
        raise UserError(
            "`data.packing` must be concat or none for a model of the type "
            f"{model.config.model_type!r}, which cannot keep the texts of a row apart, but is "
            "separate instead."
        )


def _difference(model: PreTrainedModel, tokens: Tensor, max_length: int) -> float:
    """Returns how far two texts in a row are from each alone, as a share of the largest output."""
    near = any(getattr(model.config, name, None) for name in _WINDOWS)
    length = max_length if near else min(max_length, _ENOUGH)
    both = length - _PADS
    texts = [both - both // 3, both // 3]
    ids = tokens.repeat(both)[None, :both]  # (1, both)
    row = torch.nn.functional.pad(ids, (0, _PADS), value=int(tokens[0]))
    sizes = torch.tensor([*texts, _PADS])
    segments = torch.tensor([1, 2, 0]).repeat_interleave(sizes)[None]
    position_ids = torch.cat([torch.arange(size) for size in sizes])[None]
    given = encoder_inputs(
        model.config, dtype=model.dtype, segments=segments, position_ids=position_ids
    )
    together = model(input_ids=row, **given).logits[:, :both]
    alone = torch.cat([model(input_ids=text).logits for text in ids.split(texts, dim=1)], dim=1)
    return float((together - alone).abs().max() / alone.abs().max())
