"""Replaced token detection as the tutorial writes it, for benchmarks to be compared with."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ElectraForMaskedLM, ElectraForPreTraining

from electralab.models.rtd import RtdPair

PAD, CLS, SEP, MASK = 0, 2, 3, 4


class TutorialPair(torch.nn.Module):
    """The pair, its loss and its metrics, written as in the tutorial.

    Vocabulary logits, cross-entropy and the likeliest token at every position; Gumbel noise at the
    chosen ones; boolean indices; no attention mask; nothing shared; dropout as published.

    Args:
        pair: Whose sizes it has.
        dropout: Of hidden states and attention.
    """

    def __init__(self, pair: RtdPair, *, dropout: float = 0.1) -> None:
        super().__init__()
        configs = [
            type(c)(**c.to_dict()) for c in (pair.config.generator, pair.config.discriminator)
        ]
        for config in configs:
            config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
            config.tie_word_embeddings = True  # the generator's own two tables
        self.generator = ElectraForMaskedLM(configs[0])
        self.discriminator = ElectraForPreTraining(configs[1])

    def forward(self, input_ids: Tensor) -> Tensor:
        """Returns the loss of rows of tokens, of shape ``(batch, seq_len)``."""
        maskable = (input_ids != PAD) & (input_ids != CLS) & (input_ids != SEP)
        mask = self._choose(maskable)
        labels = input_ids.masked_fill(~mask, PAD)
        replace = torch.zeros(input_ids.shape).uniform_(0, 1) < 0.85
        logits = self.generator(input_ids.masked_fill(mask & replace, MASK)).logits  # (B, L, V)
        mlm_loss = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=PAD)
        chosen = logits[mask]
        noise = -torch.log(-torch.log(torch.zeros_like(chosen).uniform_(0, 1)))
        corrupted = input_ids.clone()
        corrupted[mask] = (chosen + noise).argmax(-1).detach()
        replaced = (input_ids != corrupted).float()
        doubt = self.discriminator(corrupted).logits
        real = torch.nonzero(input_ids != PAD, as_tuple=True)
        disc_loss = F.binary_cross_entropy_with_logits(doubt[real], replaced[real])
        with torch.no_grad():
            guessed = logits.argmax(-1)
            doubted = torch.round((torch.sign(doubt) + 1) / 2)
            self.gen_acc = (labels[mask] == guessed[mask]).float().mean()
            right = (doubted == replaced).float()
            self.disc_acc = (right[mask].mean() + right[~mask].mean()) / 2
        return mlm_loss + 50 * disc_loss

    @staticmethod
    def _choose(maskable: Tensor) -> Tensor:
        """Chooses 15 % of each row, rounded up, of the maskable tokens."""
        most = math.ceil(0.15 * maskable.shape[1])
        excess = maskable.cumsum(-1) > (maskable.sum(-1, keepdim=True) * 0.15).ceil()
        order = torch.rand(maskable.shape).masked_fill(~maskable, -1e9).topk(most, dim=-1).indices
        places = (order + 1).masked_fill(excess[:, :most], 0)
        return (
            torch.zeros(maskable.shape[0], maskable.shape[1] + 1)
            .scatter(-1, places, 1)[:, 1:]
            .bool()
        )
