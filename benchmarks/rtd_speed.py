"""Real tokens a second of replaced token detection on short texts: ours against others.

    python -m benchmarks.rtd_speed --texts reviews.txt [--model electra_small] [--rounds 7]

Others: 32 texts a batch padded to the longest, dropout as published, in float32, as the tutorial
has it (on CUDA as ours). Ours: texts in full blocks, in bf16 where the hardware has it. Steps take
turns in one process, optimiser and clipping included; ratios are medians over rounds. With --tricks
also ours with one trick left out at a time, packing among them.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import SPECIAL, load_pair
from benchmarks.packing import batches as as_in_a_run
from benchmarks.rtd_ways import add_options, is_half, others, ours, show, take_turns, variants
from benchmarks.tutorial import CLS, PAD, SEP
from electralab.data.blocks import TokenBlocks
from electralab.data.pack import pack
from electralab.data.tokenizer import train_wordpiece


def padded(rows: list[list[int]], size: int) -> Iterator[Tensor]:
    """Yields batches of texts, padded to the longest of each."""
    for first in itertools.cycle(range(0, len(rows) - size + 1, size)):
        batch = [torch.tensor([CLS, *row, SEP]) for row in rows[first : first + size]]
        yield torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=PAD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--texts", required=True, help="a text a line")
    parser.add_argument("--limit", type=int, default=20_000, help="texts")
    parser.add_argument("--rows", type=int, default=32, help="blocks in a batch of ours")
    parser.add_argument("--packing", default="concat", choices=["concat", "separate", "none"])
    options = parser.parse_args()
    half = is_half(options)
    texts = Path(options.texts).read_text(encoding="utf-8").splitlines()[: options.limit]
    vocab = load_pair(options.model).config.discriminator.vocab_size
    tokenizer = train_wordpiece(texts, vocab_size=vocab, lowercase=True)
    inside = {"max_length": options.length - 2, "truncation": True}
    rows = tokenizer(texts, add_special_tokens=False, **inside)["input_ids"]
    rows = [row for row in rows if row]

    def batches(packing: str) -> Iterator[dict[str, Tensor]]:
        """Yields batches as a run has them."""
        folder = Path(tempfile.mkdtemp())
        ids = {"cls_id": CLS, "sep_id": SEP, "special_ids": SPECIAL, "vocab_size": len(tokenizer)}
        pack([rows], folder, packing=packing, max_length=options.length, **ids)
        return as_in_a_run(TokenBlocks(folder), rows=options.rows, length=options.length)

    device = options.device
    how = {"half": half, "attention": options.attention, "device": device}
    ways = [ours(options.model, batches(options.packing), **how)]
    alike = {"half": half and device.type == "cuda", "device": device}
    ways += others(options.others, options.model, lambda: padded(rows, 32), **alike)
    ways += [
        ours(options.model, batches(options.packing), label=label, **(how | change))
        for label, change in variants(options)
    ]
    if options.tricks:
        none = batches("none")
        ways.append(ours(options.model, none, label="ours, packing none", **how))
    take_turns(ways, options)
    show(ways, options, half=half)


if __name__ == "__main__":
    main()
