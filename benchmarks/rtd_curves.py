"""Learning curves of the fast step and of the plain one, beside those of other seeds.

    python -m benchmarks.rtd_curves [--steps 300] [--seeds 5]

A tiny pair on rows of a small Markov chain, so that there is something to learn. For each seed the
fast step and the plain one (🤗's forward pass, logits at every position) start from the same weights
and see the same batches; the other seeds show how far chance moves a curve.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.common import SPECIAL, collator
from benchmarks.plain_pair import EveryPosition
from electralab.models.build import electra_config
from electralab.models.rtd import RtdPair, RtdPairConfig

VOCAB, LENGTH, ROWS = 200, 32, 16
LATE = 1 / 3  # of the steps, over which a curve's end is averaged


def chain_rows(seed: int, count: int) -> np.ndarray:
    """Returns rows in which a token has three likely successors, of shape ``(count, LENGTH)``."""
    rng = np.random.default_rng(seed)
    successors = np.random.default_rng(0).integers(len(SPECIAL), VOCAB, (VOCAB, 3))
    rows = np.empty((count, LENGTH), dtype=np.int64)
    rows[:, 0] = rng.integers(len(SPECIAL), VOCAB, count)
    for place in range(1, LENGTH):
        rows[:, place] = successors[rows[:, place - 1], rng.integers(0, 3, count)]
    rows[:, 0], rows[:, -1] = 2, 3
    return rows


def curve(kind: type[RtdPair], *, seed: int, steps: int, dtype: torch.dtype) -> np.ndarray:
    """Trains a pair, and returns its generator's and discriminator's losses, ``(steps, 2)``."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": VOCAB, "embedding_size": 32, "max_position_embeddings": LENGTH}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 2, "dropout": 0.0, "pad_token_id": 0}
    parts = {
        name: electra_config(hidden_size=width, intermediate_size=4 * width, **sizes)
        for name, width in (("generator", 16), ("discriminator", 32))
    }
    pair = kind(RtdPairConfig(**parts)).to(dtype)
    optimiser = torch.optim.AdamW(pair.parameters(), lr=3e-3, fused=True)
    rows, collate, losses = chain_rows(seed, steps * ROWS), collator(LENGTH, seed=seed), []
    for step in range(steps):
        numbers = range(step * ROWS, (step + 1) * ROWS)
        batch = collate([{"input_ids": rows[n], "epoch": 0, "index": n} for n in numbers])
        out = pair(**batch)
        out.loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        mlm, disc, chosen, _, real, *_ = out.statistics.tolist()
        losses.append((mlm / chosen, disc / real))
    return np.array(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    late = int(options.steps * (1 - LATE))
    how = {"steps": options.steps, "dtype": torch.float32}
    fast, plain = (
        np.array([curve(kind, seed=seed, **how) for seed in range(options.seeds)])
        for kind in (RtdPair, EveryPosition)
    )
    ends = {"fast": fast[:, late:].mean(1), "plain": plain[:, late:].mean(1)}  # (seeds, 2)
    print(f"{options.steps} steps, {options.seeds} seeds; mean of the last {options.steps - late}")
    print("| loss | fast | plain | largest difference of one seed | sd over seeds |")
    print("|---|---|---|---|---|")
    for number, name in enumerate(("mlm_loss", "disc_loss")):
        one, other = ends["fast"][:, number], ends["plain"][:, number]
        apart, spread = np.abs(one - other).max(), other.std(ddof=1)
        print(f"| {name} | {one.mean():.4f} | {other.mean():.4f} | {apart:.4f} | {spread:.4f} |")
    same = [int((np.abs(a - b) > 1e-4).any(1).argmax()) for a, b in zip(fast, plain, strict=True)]
    print(f"The curves of a seed agree to 1e-4 up to step {same}, 0 meaning to the end.")


if __name__ == "__main__":
    main()
