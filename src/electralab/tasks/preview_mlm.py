"""Held-out sentences as a masked language model sees them: masked, and filled in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from electralab.models.fill import fill_logits
from electralab.models.mlm_masking import MlmCollator
from electralab.models.words import piece_texts, word_mark
from electralab.tasks.preview import Preview, Reader, as_examples

_GAP_IN = 16  # tokens of a text to try


@torch.no_grad()
def preview(
    model: PreTrainedModel,
    *,
    tokenizer: PreTrainedTokenizerBase,
    collate: MlmCollator,
    sentences: Sequence[np.ndarray],
    step: int,
) -> list[Preview]:
    """Shows the likeliest token at each chosen position of some sentences.

    Args:
        model: The model; its mode is left as it was.
        tokenizer: Names the tokens.
        collate: The collator of evaluation.
        sentences: Token ids with special ones, each of shape ``(seq_len,)``.
        step: The optimiser step, for the record.
    """
    batch = collate(as_examples(sentences))
    batch = {name: value.to(model.device) for name, value in batch.items()}
    read, positions, chosen = batch["input_ids"], batch["positions"], batch["chosen"]
    training = model.training
    model.eval()
    likeliest = fill_logits(model, read, positions, batch.get("attention_mask")).argmax(-1)
    model.train(training)
    filled = read.scatter(1, positions, torch.where(chosen, likeliest, batch["originals"]))
    original = read.scatter(1, positions, batch["originals"])
    marks = torch.zeros_like(read, dtype=torch.bool).scatter_(1, positions, chosen)
    reader = Reader(tokenizer, padding_side=collate.padding_side)
    shown = []
    for row, sentence in enumerate(sentences):
        views = (original, read, filled, marks)
        was, masked, now, places = (reader.inside(view[row], len(sentence)) for view in views)
        shown.append(
            Preview(
                step=step,
                original=reader.line(was),
                masked=reader.line(masked),
                filled_in=reader.line(now, places),
            )
        )
    return shown


def with_gap(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """Returns the beginning of a text with [MASK] in place of a word in its middle.

    Args:
        tokenizer: Names the tokens.
        ids: Those of the text, without special ones.
    """
    ids = ids[:_GAP_IN]
    pieces = piece_texts(tokenizer, ids, mark=word_mark(tokenizer))
    glued = [*(glued for _, glued in pieces), False]
    middle = len(ids) // 2
    # The next word that is one piece, so that one mask is enough for it.
    whole = (n for n in range(middle, len(ids)) if not (glued[n] or glued[n + 1]))
    place = next((n for n in whole if pieces[n][0].isalpha()), middle)
    sides = (ids[:place], ids[place + 1 :])
    before, behind = (tokenizer.decode(side, skip_special_tokens=True).strip() for side in sides)
    return f"{before} [MASK] {behind}".strip()
