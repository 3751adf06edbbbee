"""What a second process brings on this machine, and from it hours and money on GPUs.

    OMP_NUM_THREADS=1 python -m benchmarks.scaling [--model electra_tiny] [--rounds 7]
    python -m benchmarks.scaling --efficiency .95      # the plan alone, from what was measured

Measured: tokens/s of full batches, in steps with the optimiser, of a model in one process of one
thread; of a model in two (gloo, on one machine) with the same batch a process; and of two models
beside each other, which share the machine in the same way and exchange nothing. They take turns in
the same two processes. The efficiency is that of the second against the third: what the exchange,
and waiting for each other, cost, whatever else the machine does.

Planned, not measured: ELECTRA-Small, Base and Large as Clark et al. 2020 trained them (table 6; the
same figures stand in google-research/electra, flops_computation.py). A step takes

    max(FLOPs a token x tokens / (GPUs x rate x MFU), floor) + exchange,
    exchange = 2 (GPUs - 1) / GPUs x 4 bytes x parameters / bandwidth    (a ring; nothing hidden)

and, in the second figure of a cell, each doubling of the GPUs keeps no more than the second process
kept here. FLOPs a token are those that the package counts for `mfu`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from benchmarks.common import load_pair, random_batch
from electralab.models.flops import pair_costs

NODE = 8  # GPUs that NVLink connects


@dataclass(frozen=True)
class Training:
    """One of the paper's: rows of so many tokens a step, and the share that is masked."""

    model: str
    steps: int
    rows: int
    length: int
    masked: float


PAPER = {
    "Small": Training("electra_small", 1_000_000, 128, 128, 0.15),
    "Base": Training("electra_base", 766_000, 256, 512, 0.15),
    "Large, 400 K steps": Training("electra_large", 400_000, 2048, 512, 0.25),
    "Large, 1.75 M steps": Training("electra_large", 1_750_000, 2048, 512, 0.25),
}


KINDS = ("alone", "apart", "together")


def work(rank: int, options: argparse.Namespace, place: str) -> None:
    """Takes steps in one of two processes, and writes what each kind came to, round by round."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
    pair = load_pair(options.model, dropout=0.0)
    shared = DistributedDataParallel(load_pair(options.model, dropout=0.0))
    models = {"alone": pair, "apart": pair, "together": shared}
    optimisers = {kind: torch.optim.AdamW(models[kind].parameters(), lr=1e-4) for kind in models}
    batch = random_batch(pair, options.rows, options.length)

    def tokens_a_second(kind: str) -> float:
        """Returns what both processes come to in some steps."""
        dist.barrier()
        begin = time.perf_counter()
        working = kind != "alone" or rank == 0
        for _ in range(options.steps if working else 0):
            models[kind](**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(models[kind].parameters(), 1.0)
            optimisers[kind].step()
            optimisers[kind].zero_grad(set_to_none=True)
        mine = options.steps * batch["input_ids"].numel() / (time.perf_counter() - begin)
        total = torch.tensor(mine if working else 0.0)
        dist.all_reduce(total)
        return float(total)

    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(options.rounds + 1):
        for kind in KINDS if number % 2 else KINDS[::-1]:
            found[kind].append(tokens_a_second(kind))
        if rank == 0:
            last = ", ".join(f"{kind} {speeds[-1]:,.0f}" for kind, speeds in found.items())
            print(f"round {number}: {last} tokens/s", file=sys.stderr, flush=True)
    if rank == 0:  # the first round warms up
        warm = {kind: speeds[1:] for kind, speeds in found.items()}
        Path(place, "found.json").write_text(json.dumps(warm))
    dist.destroy_process_group()


def measure(options: argparse.Namespace) -> float:
    """Returns the efficiency of two processes, and prints what it is made of."""
    with tempfile.TemporaryDirectory() as place:
        torch.multiprocessing.spawn(work, (options, place), nprocs=2)
        found = json.loads(Path(place, "found.json").read_text())

    def ratio(kind: str, other: str) -> tuple[float, str]:
        each = [one / two for one, two in zip(found[kind], found[other], strict=True)]
        middle = statistics.median(each)
        return middle, f"{middle:.2f} ({min(each):.2f} to {max(each):.2f})"

    speeds = {kind: f"{statistics.median(values):,.0f}" for kind, values in found.items()}
    efficiency, exchanged = ratio("together", "apart")
    print(
        f"measured: {options.model}, {options.rows} x {options.length} tokens a process of one "
        f"thread, float32, median of {options.rounds} rounds: one process {speeds['alone']} "
        f"tokens/s, one model in two {speeds['together']}, {ratio('together', 'alone')[1]} times "
        f"as many; two models beside each other {speeds['apart']}, {ratio('apart', 'alone')[1]} "
        f"times; efficiency of one model in two processes against two models {exchanged}"
    )
    return efficiency


def step_seconds(training: Training, gpus: int, options: argparse.Namespace) -> tuple[float, float]:
    """Returns how long a step takes, and how much of it the exchange of gradients is."""
    with torch.device("meta"):  # sizes alone
        pair = load_pair(training.model)
    parts = {"generator": pair.config.generator, "discriminator": pair.config.discriminator}
    flops = pair_costs(**parts).of_a_token(length=training.length, chosen=training.masked)
    compute = flops * training.rows * training.length / (gpus * options.rate * options.mfu)
    bandwidth = options.nvlink if gpus <= NODE else options.network
    size = 4 * sum(parameter.numel() for parameter in pair.parameters())
    exchange = 2 * (gpus - 1) / gpus * size / bandwidth
    return max(compute, options.floor) + exchange, exchange


def plan(options: argparse.Namespace, efficiency: float) -> list[str]:
    """Returns the lines of the table."""
    counts = options.gpus
    head = "".join(f" {count} GPU{'s' * (count > 1)} |" for count in counts)
    lines = [f"| hours, and US$ at {options.price:g} a GPU hour |{head}"]
    lines.append("|---" * (1 + len(counts)) + "|")
    for name, training in PAPER.items():
        cells = []
        for count in counts:
            seconds, exchange = step_seconds(training, count, options)
            hours = training.steps * seconds / 3600
            slow = hours / efficiency ** math.log2(count)
            several = [hours, slow] if slow > hours else [hours]
            said = " to ".join(f"{value:,.{0 if value >= 10 else 1}f}" for value in several)
            money = " to ".join(f"{value * count * options.price:,.0f}" for value in several)
            cells.append(f" {said} h, ${money}, exchange {exchange / seconds:.0%} |")
        lines.append(f"| {name} |{''.join(cells)}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measured = parser.add_argument_group("measured here")
    measured.add_argument("--efficiency", type=float, help="of two processes; none: measured now")
    measured.add_argument("--model", default="electra_tiny")
    measured.add_argument("--rows", type=int, default=16, help="of a batch of one process")
    measured.add_argument("--length", type=int, default=128)
    measured.add_argument("--steps", type=int, default=4, help="of each, in a round")
    measured.add_argument("--rounds", type=int, default=7)
    assumed = parser.add_argument_group("assumed of the GPUs; the defaults are an H100 SXM")
    assumed.add_argument("--rate", type=float, default=990e12, help="FLOP/s, bf16, dense peak")
    assumed.add_argument("--mfu", type=float, default=0.4, help="of that rate")
    assumed.add_argument("--floor", type=float, default=0.01, help="s a step, for its launches")
    assumed.add_argument("--nvlink", type=float, default=450e9, help="bytes/s a way, in a node")
    assumed.add_argument("--network", type=float, default=50e9, help="bytes/s a GPU, beyond it")
    assumed.add_argument("--price", type=float, default=3.0, help="US$ a GPU hour")
    assumed.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    options = parser.parse_args()
    efficiency = options.efficiency or measure(options)
    print("planned:", *plan(options, efficiency), sep="\n")


if __name__ == "__main__":
    main()
