"""Memory: how much a training needs, and one line where it runs out that says what to lower."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from electralab.errors import RunFailure

if TYPE_CHECKING:
    import torch
    from transformers import TrainingArguments

MODEL = (
    "Choose a smaller `model`, or lower `model.num_hidden_layers`, `model.hidden_size` or "
    "`model.vocab_size`."
)
DATA = "Lower `data.num_proc`, or take fewer examples with `data.limit`."

# Of torch on a GPU and on the CPU, of its libraries, and of the system.
_SIGNS = ("out of memory", "t allocate memory", "not enough memory", "_ALLOC_FAILED")
_WANTED = re.compile(r"(?:tried to|unable to) allocate ([\d.]+) ?(bytes|[kmgtpe]?i?b)\b", re.I)
_WORKER = re.compile(
    r"DataLoader worker \(pid.*?\) "
    r"(?:is killed by signal: (?:Killed|Bus error)|exited unexpectedly)"
)


@contextmanager
def explained(what: str, advice: str | Callable[[], str]) -> Iterator[None]:
    """Makes one line of running out of memory.

    Args:
        what: Needs the memory, the beginning of a sentence.
        advice: What to do, a sentence or what makes one.

    Raises:
        RunFailure: The memory was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_too_little(error):
            raise
        more = f" ({wanted} more were asked for)" if (wanted := _wanted(str(error))) else ""
        said = advice if isinstance(advice, str) else advice()
        raise RunFailure(f"{what} ran out of memory{more}. {said}") from error


@contextmanager
def workers_explained(arguments: TrainingArguments) -> Iterator[None]:
    """Makes one line of the end of a process that loads batches, which the system killed.

    Args:
        arguments: The Trainer's.

    Raises:
        RunFailure: A process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if not (found := _WORKER.search(str(error))):
            raise
        raise RunFailure(
            f"A process that loads batches is gone ({found[0]}), as happens when memory runs out. "
            f"Lower `trainer.dataloader_num_workers` ({arguments.dataloader_num_workers})."
        ) from error


def of_training(arguments: TrainingArguments, *, max_length: int) -> str:
    """Returns what to do when the training needs too much memory.

    Args:
        arguments: The Trainer's.
        max_length: Tokens of an example.
    """
    size, steps = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    length = f"lower `data.max_length` ({max_length})"
    if size == 1:
        return f"{length.capitalize()}, or set trainer.gradient_checkpointing=true."
    part = next(number for number in range(2, size + 1) if size % number == 0)
    return (
        f"Lower `trainer.per_device_train_batch_size` ({size}); "
        f"trainer.per_device_train_batch_size={size // part} "
        f"trainer.gradient_accumulation_steps={steps * part} keeps the effective batch. "
        f"Or {length}."
    )


def of_evaluation(arguments: TrainingArguments, *, max_length: int) -> str:
    """Returns what to do when an evaluation needs too much memory; the arguments are as above."""
    size, kept = arguments.per_device_eval_batch_size, arguments.eval_accumulation_steps
    sooner = f", `trainer.eval_accumulation_steps` ({kept})" if kept != 1 else ""
    return (
        f"Lower `trainer.per_device_eval_batch_size` ({size}){sooner} or `data.max_length` "
        f"({max_length})."
    )


def peak(device: torch.device) -> int:
    """Returns the most bytes that were needed at a time: on a GPU, else by this process.

    On a GPU since the training began, else since the process did, without those that load batches.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak(device: torch.device) -> None:
    """Makes a new training on a GPU measure its own peak."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def is_too_little(error: BaseException) -> bool:
    """Says whether an exception means that memory ran out."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


def _wanted(text: str) -> str | None:
    """Returns how much could not be had, if the exception says so."""
    found = _WANTED.search(text)
    if found is None:
        return None
    number, unit = found.groups()
    return f"{int(number) / 2**30:,.2f} GiB" if unit == "bytes" else f"{number} {unit}"
