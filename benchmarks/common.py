"""What the benchmarks share: models of `conf/model/` and batches of random tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from electralab.models.build import electra_config
from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdPair, RtdPairConfig
from electralab.task_config import TASK_CONFIGS

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
SPECIAL = (0, 1, 2, 3, 4)


def load_pair(name: str, *, cls: type = RtdPair, dropout: float = 0.1, **changes) -> RtdPair:
    """Builds a model of `conf/model/` from scratch, with the vocabulary it names."""
    file = Path(__file__).parents[1] / "conf" / "model" / f"{name}.yaml"
    keys = yaml.safe_load(file.read_text()) | changes
    common = {
        "vocab_size": keys["vocab_size"],
        "embedding_size": keys["embedding_size"],
        "max_position_embeddings": keys["max_position_embeddings"],
        "dropout": dropout,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    parts = {
        "generator": electra_config(**{k: keys["generator"][k] for k in SIZES}, **common),
        "discriminator": electra_config(**{k: keys[k] for k in SIZES}, **common),
    }
    return cls(RtdPairConfig(**parts))


def task_config(name: str) -> Any:
    """Returns the keys of a task at their defaults."""
    file = Path(__file__).parents[1] / "conf" / "task" / f"{name}.yaml"
    keys = yaml.safe_load(file.read_text())
    return TASK_CONFIGS[name](**keys)


def collator(length: int, *, seed: int = 0) -> MaskingCollator:
    """Returns the collator of `task=rtd` at its defaults."""
    return MaskingCollator(
        seed=seed,
        mask_prob=0.15,
        replace_prob=0.85,
        max_length=length,
        pad_id=0,
        mask_id=4,
        special_ids=SPECIAL,
    )


class RandomRows(torch.utils.data.Dataset):
    """Full rows of random tokens."""

    def __init__(self, rows: int, length: int, vocab_size: int) -> None:
        rng = np.random.default_rng(0)
        self.rows = rng.integers(len(SPECIAL), vocab_size, (rows, length))
        self.rows[:, 0], self.rows[:, -1] = 2, 3

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, g: int) -> dict:
        epoch, index = divmod(g, len(self.rows))
        return {"input_ids": self.rows[index], "epoch": epoch, "index": index}


def random_batch(pair: RtdPair, batch_size: int, length: int) -> dict[str, Tensor]:
    """Returns a batch of full rows."""
    rows = RandomRows(batch_size, length, pair.config.discriminator.vocab_size)
    return collator(length)([rows[i] for i in range(batch_size)])
