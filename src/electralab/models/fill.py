"""A masked language model's logits where they are wanted, and nowhere else."""

from __future__ import annotations

from typing import Any

from accelerate.utils import extract_model_from_parallel
from torch import Tensor, nn

from electralab.models.apart import encoder_inputs
from electralab.models.encoder import pick


def fill_logits(
    model: nn.Module,
    input_ids: Tensor,
    positions: Tensor,
    attention_mask: Tensor | None = None,
    segments: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> Tensor:
    """Returns the logits at some positions, of shape ``(batch, K, vocab_size)``.

    The heads of these models look at one position at a time. So the encoder's output is thinned out
    to the wanted positions on its way to the head, and the vocabulary is computed at K positions
    instead of all. That is a hook for the length of one call, for the call itself must be the
    outermost model's: what wraps it for several devices or for half precision acts there.

    Args:
        model: Any of `AutoModelForMaskedLM`, possibly wrapped.
        input_ids: Masked token ids of shape ``(batch, seq_len)``.
        positions: Of shape ``(batch, K)``.
        attention_mask: 1 at real tokens, of shape ``(batch, seq_len)``; none: all are real.
        segments: The number of a token's text in its row, 1 and up, 0 at pads, of the same shape;
            none: a text a row.
        position_ids: A token's place in its own text, of the same shape.
    """
    inner = extract_model_from_parallel(model)
    encoder = inner.base_model
    thinned = False

    def thin_out(module: nn.Module, inputs: Any, output: Any) -> Any:
        nonlocal thinned
        hidden = output[0]  # (B, L, H), unless the encoder leaves out pads or works in pieces
        if hidden.dim() != 3 or hidden.shape[:2] != input_ids.shape:
            return output
        thinned = True
        picked = pick(hidden, positions)
        if isinstance(output, tuple):
            return (picked, *output[1:])
        output["last_hidden_state"] = picked
        return output

    hook = None if encoder is inner else encoder.register_forward_hook(thin_out)
    marks = {"attention_mask": attention_mask, "segments": segments, "position_ids": position_ids}
    given = encoder_inputs(inner.config, dtype=inner.dtype, **marks)
    try:
        logits = model(input_ids=input_ids, **given).logits
    finally:
        if hook is not None:
            hook.remove()
    return logits if thinned else pick(logits, positions)
