"""What becomes of short texts: how full rows are, what packing takes, real tokens a second of RTD.

    python -m benchmarks.packing --texts reviews.txt [--model electra_tiny] [--rounds 5]

The three kinds of `data.packing` on the same texts. Packing is timed against tokenising the same
texts; steps of replaced token detection take turns in one process, optimiser included, on batches
of the same number of rows, and ratios are medians against `none`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import SPECIAL, collator, load_pair
from electralab.data.blocks import TokenBlocks
from electralab.data.filling import filling
from electralab.data.pack import pack
from electralab.data.tokenizer import train_wordpiece
from electralab.models.rtd import RtdPair
from electralab.training.sampler import EpochSampler

KINDS = ("none", "concat", "separate")
BATCH = 5000  # texts


def batches(blocks: TokenBlocks, *, rows: int, length: int) -> Iterator[dict[str, Tensor]]:
    """Yields the batches of one epoch after another, as a run has them."""
    lengths = blocks.lengths if blocks.uneven else None
    sampler = EpochSampler(len(blocks), seed=0, lengths=lengths, batch_size=rows)
    collate = collator(length)
    for epoch in itertools.count():
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, len(order) - rows + 1, rows):
            yield collate([blocks[index] for index in order[start : start + rows]])


def stepper(pair: RtdPair) -> Callable[[dict[str, Tensor]], None]:
    """Returns a function that takes one optimiser step on a batch."""
    optimiser = torch.optim.AdamW(pair.parameters(), lr=1e-4, fused=True)

    def step(batch: dict[str, Tensor]) -> None:
        pair(**batch).loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="a text a line")
    parser.add_argument("--limit", type=int, default=20_000, help="texts")
    parser.add_argument("--model", default="electra_tiny")
    parser.add_argument("--rows", type=int, default=32, help="rows in a batch")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3, help="of each, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = Path(options.texts).read_text(encoding="utf-8").splitlines()[: options.limit]
    vocab = load_pair(options.model, dropout=0.0).config.discriminator.vocab_size
    tokenizer = train_wordpiece(texts, vocab_size=vocab, lowercase=True)
    start = time.perf_counter()
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    documents = [encoding.ids for encoding in encoded]
    tokenising = time.perf_counter() - start
    parts = [documents[first : first + BATCH] for first in range(0, len(documents), BATCH)]

    how = {"max_length": options.length, "vocab_size": len(tokenizer), "special_ids": SPECIAL}
    how |= {"cls_id": tokenizer.cls_token_id, "sep_id": tokenizer.sep_token_id}
    blocks, seconds = {}, {}
    root = Path(tempfile.mkdtemp())
    for kind in KINDS:
        folder = root / kind
        folder.mkdir()
        start = time.perf_counter()
        pack(parts, folder, packing=kind, **how)
        seconds[kind] = time.perf_counter() - start
        blocks[kind] = TokenBlocks(folder)

    speeds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    steps, sources = {}, {}
    for kind in KINDS:
        steps[kind] = stepper(load_pair(options.model, dropout=0.0))
        sources[kind] = batches(blocks[kind], rows=options.rows, length=options.length)
    for number in range(options.rounds + 1):
        for kind, step in steps.items():
            taken = list(itertools.islice(sources[kind], options.steps))
            tokens = sum(int(b.get("attention_mask", b["input_ids"].ne(-1)).sum()) for b in taken)
            start = time.perf_counter()
            for batch in taken:
                step(batch)
            if number:  # the first round warms up
                speeds[kind].append(tokens / (time.perf_counter() - start))

    print(f"{len(texts):,} texts, rows of {options.length}, {options.model}")
    print("| packing | texts a row | filled | packing / tokenising | real tokens/s | ratio |")
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        found = filling({"train": blocks[kind]}, {"train": len(documents)})["train"]
        pairs = zip(speeds[kind], speeds["none"], strict=True)
        ratio = statistics.median(one / other for one, other in pairs)
        print(
            f"| {kind} | {found['texts_a_row']:.1f} | {100 * found['filled']:.1f} % "
            f"| {seconds[kind] / tokenising:.2f} | {statistics.median(speeds[kind]):,.0f} "
            f"| {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
