"""Where a model predicts."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """Returns this machine's accelerator, or the processor where there is none."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")
