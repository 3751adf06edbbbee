"""Sums from which the metrics of replaced token detection follow."""

from __future__ import annotations

import torch
from torch import Tensor


class RtdStatistics:
    """A vector of sums that add over steps and processes, and the metrics they give."""

    names = (
        "mlm_sum",
        "disc_sum",
        "chosen",
        "guessed",
        "real",
        "replaced",
        "doubted",
        "doubted_replaced",
        "right",
    )

    @staticmethod
    @torch.no_grad()
    def collect(
        *,
        mlm_sum: Tensor,
        disc_sum: Tensor,
        chosen: Tensor,
        guessed: Tensor,
        real: Tensor,
        replaced: Tensor,
        doubted: Tensor,
    ) -> Tensor:
        """Returns the sums of a batch in float64, without reading anything back from the device.

        Args:
            mlm_sum: Summed generator loss in nats, a scalar.
            disc_sum: Summed discriminator loss in nats, a scalar.
            chosen: Chosen positions, boolean, of shape ``(batch, K)``.
            guessed: Where the generator's likeliest token is right, of the same shape.
            real: Real tokens, boolean, of shape ``(batch, seq_len)``.
            replaced: Tokens that are not the original, of the same shape.
            doubted: Tokens the discriminator takes for replaced, of the same shape.
        """
        sums = [
            mlm_sum.detach(),
            disc_sum.detach(),
            chosen.sum(),
            (guessed & chosen).sum(),
            real.sum(),
            (replaced & real).sum(),
            (doubted & real).sum(),
            (doubted & replaced & real).sum(),
            ((doubted == replaced) & real).sum(),
        ]
        # Counts beyond 2²⁴ are not exact in float32; Apple's GPUs have nothing better.
        dtype = torch.float32 if real.device.type == "mps" else torch.float64
        return torch.stack([value.to(dtype) for value in sums])

    @classmethod
    def metrics(cls, sums: list[float]) -> dict[str, float]:
        """Returns the metrics of a vector of sums; a ratio over nothing is 0."""
        s = dict(zip(cls.names, sums, strict=True))

        def ratio(part: float, whole: float) -> float:
            return part / whole if whole else 0.0

        recall = ratio(s["doubted_replaced"], s["replaced"])
        specificity = ratio(s["right"] - s["doubted_replaced"], s["real"] - s["replaced"])
        return {
            "mlm_loss": ratio(s["mlm_sum"], s["chosen"]),
            "disc_loss": ratio(s["disc_sum"], s["real"]),
            "gen_accuracy": ratio(s["guessed"], s["chosen"]),
            "disc_accuracy": ratio(s["right"], s["real"]),
            "disc_balanced_accuracy": (recall + specificity) / 2,
            "disc_precision": ratio(s["doubted_replaced"], s["doubted"]),
            "disc_recall": recall,
            "replaced_rate": ratio(s["replaced"], s["real"]),
        }
