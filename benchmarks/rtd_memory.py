"""Peak memory of one RTD step against a step that computes the vocabulary at every position.

    python benchmarks/rtd_memory.py [--model electra_small] [--batch 32] [--length 128] [--rounds 5]

Each measurement is a process of its own: the peak after two steps less the peak after loading.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys

from benchmarks.common import load_pair, random_batch
from benchmarks.plain_pair import EveryPosition
from electralab.models.rtd import RtdPair


def peak() -> int:
    """Returns the largest memory this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(kind: str, model: str, batch_size: int, length: int, queue) -> None:
    pair = load_pair(model, cls=EveryPosition if kind == "every" else RtdPair)
    batch = random_batch(pair, batch_size, length)
    loaded = peak()
    for _ in range(2):
        out = pair(**batch)
        out.loss.backward()
        del out
    queue.put(peak() - loaded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="electra_small")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[int]] = {"ours": [], "every": []}
    for _ in range(options.rounds):
        for kind, values in found.items():
            queue = context.SimpleQueue()
            process = context.Process(
                target=measure, args=(kind, options.model, options.batch, options.length, queue)
            )
            process.start()
            values.append(queue.get())
            process.join()
    ours, every = (statistics.median(values) / 1024 for values in found.values())
    print(
        f"{options.model} {options.batch}x{options.length} float32: ours {ours:.0f} MiB, every "
        f"position {every:.0f} MiB above the loaded process: ratio {ours / every:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
