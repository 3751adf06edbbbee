"""Held-out sentences as a pair sees them: masked, filled in, doubted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdPair
from electralab.tasks.preview import Preview, Reader, as_examples


@dataclass(frozen=True, kw_only=True)
class RtdPreview(Preview):
    """One sentence on its way through the pair; `doubted` names tokens with their probability."""

    doubted: str


@torch.no_grad()
def preview(
    model: RtdPair,
    *,
    tokenizer: PreTrainedTokenizerBase,
    collate: MaskingCollator,
    sentences: Sequence[np.ndarray],
    step: int,
    doubts: int = 5,
) -> list[RtdPreview]:
    """Runs sentences through the pair.

    Args:
        model: The pair; its mode is left as it was.
        tokenizer: Names the tokens.
        collate: The collator of evaluation.
        sentences: Token ids with special ones, each of shape ``(seq_len,)``.
        step: The optimiser step, for the record.
        doubts: Tokens named in `doubted`, the likeliest replacements first.
    """
    batch = collate(as_examples(sentences))
    batch = {name: value.to(model.device) for name, value in batch.items()}
    batch.pop("probe_ids", None)
    training = model.training
    model.eval()
    out = model(**batch)
    model.train(training)
    chosen = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
    chosen.scatter_(1, batch["positions"], batch["chosen"])
    reader = Reader(tokenizer, padding_side=collate.padding_side)
    shown = []
    for row, sentence in enumerate(sentences):
        views = (batch["input_ids"], batch["masked_ids"], out.corrupted_ids, out.disc_logits)
        original, masked, corrupted, logits, marks = (
            reader.inside(view[row], len(sentence)) for view in (*views, chosen)
        )
        probability = logits.sigmoid()
        order = probability.argsort(descending=True)[:doubts].tolist()
        texts = reader.texts(corrupted)
        shown.append(
            RtdPreview(
                step=step,
                original=reader.line(original),
                masked=reader.line(masked),
                filled_in=reader.line(corrupted, marks),
                doubted=", ".join(f"{texts[i]} {probability[i]:.2f}" for i in order),
            )
        )
    return shown
