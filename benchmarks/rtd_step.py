"""One step of replaced token detection on a full batch: ours against others on the same rows.

    python -m benchmarks.rtd_step [--batch 16] [--rounds 5] [--tricks] [--compiled]

No row has pads, so that packing has no part in it; optimiser and clipping are included. Steps take
turns in one process; ratios are medians over rounds. With --tricks also ours with one trick left
out at a time. On a machine that others use, OMP_NUM_THREADS=1 and --clock processor.
"""

from __future__ import annotations

import argparse
import itertools

from benchmarks.common import load_pair, random_batch
from benchmarks.rtd_ways import add_options, is_half, others, ours, show, take_turns, variants


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--batch", type=int, default=16, help="rows")
    options = parser.parse_args()
    half = is_half(options)
    batch = random_batch(load_pair(options.model), options.batch, options.length)
    device = options.device
    how = {"half": half, "attention": options.attention, "device": device}
    same = itertools.repeat(batch)
    ways = [ours(options.model, same, **how)]
    rows = batch["input_ids"]
    ways += others(
        options.others, options.model, lambda: itertools.repeat(rows), half=half, device=device
    )
    ways += [
        ours(options.model, same, label=label, **(how | change))
        for label, change in variants(options)
    ]
    take_turns(ways, options)
    show(ways, options, half=half)


if __name__ == "__main__":
    main()
