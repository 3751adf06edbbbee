"""A classifier's last layer where its head looks: at the first token of each text, nowhere else."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from electralab.models.apart import encoder_inputs
from electralab.models.encoder import pick

_MASKED = ("eager", "sdpa")  # attentions whose mask has a row for each token that looks
_CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # float32, sums in another order


def look_at_first_tokens(model: PreTrainedModel, *, several: bool = False) -> bool:
    """Makes the last layer of a classifier compute the first tokens alone, where that is the same.

    Of all other tokens it computes keys and values. The layer's parameters, and what is saved of
    the model, stay as they are. A model whose head looks elsewhere, or whose layers are of another
    make, is left as it was: two short texts are tried.

    Args:
        model: Any of `AutoModelForSequenceClassification`, on the CPU.
        several: Rows are going to hold several texts; then this is tried as well, and a layer of
            any make will do, which is computed whole.

    Returns:
        Whether it is done, so that rows may hold several texts if that was asked.
    """
    layer = last_layer(model)
    if layer is None or not (several or _is_fewer(layer)):
        return False
    alone, packed = _two_texts(model)
    try:
        wanted = _logits(model, alone)
        layer.forward = MethodType(_forward, layer)
        same = all(
            _close(_logits(model, batch), wanted) for batch in [alone, packed][: 1 + several]
        )
    except (RuntimeError, TypeError, AttributeError, ValueError, IndexError):
        same = False  # its own layers take no such inputs, or its attention no CPU
    if not same:
        vars(layer).pop("forward", None)
    return same


def class_logits(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """Returns what the head says of each text, of shape ``(texts, classes)``.

    Args:
        model: A classifier, possibly wrapped for several devices.
        inputs: What it takes, of shape ``(batch, seq_len)``. Of rows that hold several texts also
            ``segments`` and ``position_ids``, as for `encoder_inputs`; ``picked`` of shape
            ``(batch, K)``, where their first tokens stand, filled up with any; and ``order`` of
            shape ``(texts,)``, the place of each text in those, row after row.
    """
    inputs = dict(inputs)
    if (segments := inputs.pop("segments", None)) is not None:
        inner = getattr(model, "module", model)
        marks = {name: inputs.pop(name, None) for name in ("attention_mask", "position_ids")}
        inputs |= encoder_inputs(inner.config, dtype=inner.dtype, segments=segments, **marks)
    return model(**inputs).logits


def last_layer(model: PreTrainedModel) -> nn.Module | None:
    """Returns the last of the layers of an encoder; none: it has no such list."""
    stacks = [m for m in model.base_model.modules() if isinstance(m, nn.ModuleList) and len(m)]
    return max(stacks, key=len)[-1] if stacks else None


def _forward(
    self: nn.Module,
    hidden_states: Tensor,
    attention_mask: Any = None,
    *args: Any,
    picked: Tensor | None = None,
    order: Tensor | None = None,
    **kwargs: Any,
) -> Tensor:
    """Stands in for a layer's own: ``(batch, seq_len, width)`` give ``(texts, 1, width)``."""
    if _is_fewer(self):
        states = _FORWARD[_kind(self)](self, hidden_states, attention_mask, picked)
    else:
        whole = type(self).forward(self, hidden_states, attention_mask, *args, **kwargs)
        states = _pick(whole, picked)
    if order is None:
        return states
    return states.flatten(0, 1).index_select(0, order).unsqueeze(1)


def _bert(layer: Any, hidden: Tensor, mask: Tensor | None, picked: Tensor | None) -> Tensor:
    """The layer of a BERT, ELECTRA or RoBERTa."""
    attention, chosen = layer.attention.self, _pick(hidden, picked)
    found = _attend(
        *(attention.query(chosen), attention.key(hidden), attention.value(hidden)),
        attention=attention,
        mask=_rows(mask, picked),
    )
    return layer.feed_forward_chunk(layer.attention.output(found, chosen))


def _distilbert(layer: Any, hidden: Tensor, mask: Tensor | None, picked: Tensor | None) -> Tensor:
    attention, chosen = layer.attention, _pick(hidden, picked)
    found = _attend(
        *(attention.q_lin(chosen), attention.k_lin(hidden), attention.v_lin(hidden)),
        attention=attention,
        mask=_rows(mask, picked),
    )
    states = layer.sa_layer_norm(attention.out_lin(found) + chosen)
    return layer.output_layer_norm(layer.ffn(states) + states)


_FORWARD = {"bert": _bert, "distilbert": _distilbert}


def _is_fewer(layer: Any) -> bool:
    """Says whether a layer can be computed at fewer tokens than it is given."""
    return _kind(layer) is not None and _attention(layer).config._attn_implementation in _MASKED


def _kind(layer: Any) -> str | None:
    """Says how a layer is made, by the names of its parts; `look_at_first_tokens` tries it."""
    attention = _attention(layer)
    if not hasattr(attention, "scaling") or getattr(attention, "is_causal", False):
        return None
    if hasattr(attention, "query") and hasattr(layer, "feed_forward_chunk"):
        return "bert"
    return "distilbert" if hasattr(attention, "q_lin") and hasattr(layer, "ffn") else None


def _attention(layer: Any) -> Any:
    attention = getattr(layer, "attention", None)
    return getattr(attention, "self", attention)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, *, attention: Any, mask: Tensor | None
) -> Tensor:
    """Attention of ``(batch, K, width)`` to ``(batch, seq_len, width)``, by heads."""
    size = attention.attention_head_size
    heads = [part.unflatten(-1, (-1, size)).transpose(1, 2) for part in (query, key, value)]
    if mask is not None and mask.dtype != torch.bool:
        mask = mask.to(query.dtype)
    dropout = attention.dropout.p if attention.training else 0.0
    how = {"attn_mask": mask, "dropout_p": dropout, "scale": attention.scaling}
    return scaled_dot_product_attention(*heads, **how).transpose(1, 2).flatten(2)


def _pick(values: Tensor, picked: Tensor | None) -> Tensor:
    """Picks tokens: ``(B, L, H)`` and ``(B, K)`` give ``(B, K, H)``; none: the first of each."""
    return values[:, :1] if picked is None else pick(values, picked)


def _rows(mask: Tensor | None, picked: Tensor | None) -> Tensor | None:
    """Returns the rows of a mask ``(B, 1, L, L)`` for the picked tokens: ``(B, 1, K, L)``."""
    if mask is None or mask.shape[2] == 1:
        return mask
    if picked is None:
        return mask[:, :, :1]
    return mask.gather(2, picked[:, None, :, None].expand(-1, -1, -1, mask.shape[-1]))


def _two_texts(model: PreTrainedModel) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Returns two short texts, padded, and the same in one row, the second one first."""
    pad = getattr(model.config, "pad_token_id", None) or 0
    pieces = model.get_input_embeddings().num_embeddings
    ids = [number for number in range(min(pieces, 16)) if number != pad]
    one, other = ids[-5:], ids[-7:-4]
    alone = {
        "input_ids": torch.tensor([one, [*other, pad, pad]]),
        "attention_mask": torch.tensor([[1] * 5, [1, 1, 1, 0, 0]]),
    }
    packed = {
        "input_ids": torch.tensor([[*other, *one, pad]]),
        "attention_mask": torch.tensor([[1] * 8 + [0]]),
        "segments": torch.tensor([[1] * 3 + [2] * 5 + [0]]),
        "position_ids": torch.tensor([[*range(3), *range(5), 0]]),
        "picked": torch.tensor([[0, 3]]),
        "order": torch.tensor([1, 0]),
    }
    return alone, packed


def _logits(model: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    """Returns logits without dropout."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return class_logits(model, inputs)
    finally:
        model.train(training)


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, **_CLOSE)
