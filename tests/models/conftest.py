from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ElectraConfig

from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdPair, RtdPairConfig

VOCAB, PAD, CLS, SEP, MASK = 90, 0, 2, 3, 4


def electra(hidden: int, **changes) -> ElectraConfig:
    sizes = {
        "vocab_size": VOCAB,
        "embedding_size": 12,
        "hidden_size": hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 40,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.3,  # large enough that losses depend on every part
    }
    return ElectraConfig(**(sizes | changes))


def make_pair(*, share: str = "all", **config) -> RtdPair:
    torch.manual_seed(0)
    return RtdPair(
        RtdPairConfig(
            generator=electra(8), discriminator=electra(16), share_embeddings=share, **config
        )
    )


def make_collator(**changes) -> MaskingCollator:
    settings = {
        "seed": 7,
        "mask_prob": 0.15,
        "replace_prob": 0.85,
        "max_length": 32,
        "pad_id": PAD,
        "mask_id": MASK,
        "special_ids": (0, 1, 2, 3, 4),
    }
    return MaskingCollator(**(settings | changes))


def make_examples(lengths, *, epoch: int = 0, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {"input_ids": np.r_[CLS, rng.integers(5, VOCAB, n), SEP], "epoch": epoch, "index": i}
        for i, n in enumerate(lengths)
    ]


@pytest.fixture(params=["all", "none"])
def pair(request) -> RtdPair:
    return make_pair(share=request.param)
