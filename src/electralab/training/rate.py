"""How fast the device multiplies matrices: what the use of it is measured against."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from electralab.checking import trainer_args

if TYPE_CHECKING:
    import torch
    from transformers import TrainingArguments

BUDGET = 0.25  # seconds of a measurement, first use of the device left out
_SMALLEST, _LARGEST = 256, {"cpu": 2048, "cuda": 8192}  # rows of a matrix


@cache
def matrix_rate(device: torch.device, precision: str, *, threads: int | None = None) -> float:
    """Returns the FLOP/s of products of two matrices on a device.

    Measured once, then remembered.

    Args:
        device: Where.
        precision: ``bf16``, ``fp16``; anything else is float32, as PyTorch is set to compute it.
        threads: Those that PyTorch uses, by which a measurement is remembered.
    """
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    size, best = _SMALLEST, 0.0
    _seconds(device, dtype, size)  # the first product loads what the others use
    end = time.perf_counter() + BUDGET
    while True:
        seconds = _seconds(device, dtype, size)
        best = max(best, 2 * size**3 / seconds)
        left = end - time.perf_counter()
        # Larger ones come closer to what the device can do, as long as there is time for them.
        if size < _LARGEST.get(device.type, 2048) and 2 * 8 * seconds < left:
            size *= 2
        elif seconds > left:
            break
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return best


def of_training(arguments: TrainingArguments) -> float:
    """Returns the FLOP/s of products where, and as, most of a training is computed.

    Args:
        arguments: The Trainer's, which say whether TF32 stands in for float32.
    """
    import torch

    precision = trainer_args.precision(arguments)
    if arguments.tf32 and precision == "float32":
        precision = "tf32"
    return matrix_rate(arguments.device, precision, threads=torch.get_num_threads())


def in_words(rate: float) -> str:
    """Returns a rate as a person reads it.

    >>> in_words(69.4e9), in_words(792e12)
    ('69 GFLOP/s', '792 TFLOP/s')
    """
    number, unit = (rate / 1e9, "GFLOP/s") if rate < 1e13 else (rate / 1e12, "TFLOP/s")
    return f"{number:,.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"


def _seconds(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Returns how long a product of two square matrices takes."""
    import torch

    # No draw: what a training draws does not depend on whether this was measured before it.
    one = torch.linspace(-1, 1, size * size, dtype=dtype, device=device).view(size, size)
    _wait(device)
    start = time.perf_counter()
    one @ one
    _wait(device)
    return max(time.perf_counter() - start, 1e-9)


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
