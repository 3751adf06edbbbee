"""Texts of any length as rows that an encoder can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from electralab.models.fill import fill_logits
from electralab.models.positions import usable_positions

_MASKS = ("[MASK]", "<mask>")
_UNLIMITED = 512  # tokens of a window where the model could read any number


class Windows:
    """Cuts texts into rows [CLS] + window + [SEP], and runs models on them.

    Args:
        tokenizer: Makes the ids.
        model: The model that reads them, which says how long a row can be.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
        self.tokenizer = tokenizer
        self.longest = (usable_positions(model.config.to_dict()) or _UNLIMITED) - 2

    def cut(self, ids: Sequence[int]) -> list[list[int]]:
        """Returns the rows of one text; none has none."""
        starts = range(0, len(ids), self.longest)
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [[first, *ids[start : start + self.longest], last] for start in starts]

    def run(
        self, rows: list[list[int]], call: Callable[[Tensor, Tensor | None], Tensor], *, size: int
    ) -> Iterator[Tensor]:
        """Yields a model's output for each row.

        Args:
            rows: Of any lengths.
            call: Takes padded ids of shape ``(batch, seq_len)``, and 1 at real tokens where there
                are pads.
            size: Rows in a batch.
        """
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            longest = max(map(len, batch))
            pad = self.tokenizer.pad_token_id
            ids = torch.tensor([row + [pad] * (longest - len(row)) for row in batch])
            lengths = torch.tensor([len(row) for row in batch])
            real = (torch.arange(longest) < lengths[:, None]).long()
            yield from call(ids, None if real.all() else real).cpu()


class MaskFiller:
    """Says what fits in the masks of texts.

    Args:
        model: Any of `AutoModelForMaskedLM`, in evaluation mode.
        tokenizer: Its own.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.windows = Windows(tokenizer, model)

    def with_own_mask(self, text: str) -> str:
        """Writes the tokenizer's own mask token wherever a text has one of another."""
        for mask in _MASKS:
            text = text.replace(mask, self.tokenizer.mask_token)
        return text

    @torch.inference_mode()
    def fill(self, texts: list[list[int]], *, top_k: int) -> list[list[list[dict]]]:
        """Returns for each mask of each text the likeliest tokens with their probabilities.

        Args:
            texts: Token ids without special tokens, but with masks; each text is read window by
                window.
            top_k: Tokens a mask.
        """
        mask_id = self.tokenizer.mask_token_id
        rows = [(number, row) for number, ids in enumerate(texts) for row in self.windows.cut(ids)]
        rows = [(number, row) for number, row in rows if mask_id in row]
        most = max((row.count(mask_id) for _, row in rows), default=0)
        device = self.model.device

        def likeliest(ids: Tensor, real: Tensor | None) -> Tensor:
            # Masks first, in their order; rows with fewer are filled up with other positions.
            positions = (ids != mask_id).long().argsort(dim=1, stable=True)[:, :most]
            real = None if real is None else real.to(device)
            logits = fill_logits(self.model, ids.to(device), positions.to(device), real)
            top = logits.float().softmax(-1).topk(min(top_k, logits.shape[-1]))
            return torch.stack([top.values.double(), top.indices.double()], dim=-1)

        found: list[list[list[dict]]] = [[] for _ in texts]
        outputs = self.windows.run([row for _, row in rows], likeliest, size=len(texts) or 1)
        for (number, row), masks in zip(rows, outputs, strict=True):
            for fills in masks[: row.count(mask_id)].tolist():
                found[number].append(
                    [
                        {"token": self.tokenizer.decode([int(token)]), "probability": probability}
                        for probability, token in fills
                    ]
                )
        return found


def fill_lines(masks: list[list[dict]]) -> list[str]:
    """Returns a line for a person for each mask."""
    shown = (", ".join(f"{f['token'].strip()} {f['probability']:.3f}" for f in m) for m in masks)
    return [f"  [MASK] {number}: {fills}" for number, fills in enumerate(shown, 1)]
