"""What was counted since the last log, so that a resumed run logs what an undisturbed one does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.training.trainer import ExperimentTrainer

FILE = "window{}.json"  # of a checkpoint


def keep(trainer: ExperimentTrainer, checkpoint: Path) -> None:
    """Writes the sums since the last log into a checkpoint; each process has its own.

    Args:
        trainer: In the middle of its training.
        checkpoint: The checkpoint's folder.
    """
    sums = trainer.window
    content = {
        "loss": trainer._tr_loss.item(),
        "since": trainer._globalstep_last_logged,
        "sums": None if sums is None else sums.tolist(),
        "type": None if sums is None else str(sums.dtype).removeprefix("torch."),
    }
    checkpoint.mkdir(parents=True, exist_ok=True)
    files.write_json(checkpoint / _file(trainer), content)


def take_up(trainer: ExperimentTrainer, checkpoint: Path) -> None:
    """Goes on with the sums of a checkpoint.

    Args:
        trainer: At the beginning of its first epoch.
        checkpoint: What it is resumed from.
    """
    found = files.read_json(checkpoint / _file(trainer))
    if not found:
        return
    device = trainer.args.device
    trainer._tr_loss = torch.tensor(found["loss"], device=device)
    trainer._globalstep_last_logged = found["since"]
    if found["sums"] is not None:
        kind = getattr(torch, found["type"])
        trainer.window = torch.tensor(found["sums"], dtype=kind, device=device)


def _file(trainer: ExperimentTrainer) -> str:
    several = trainer.args.world_size > 1
    return FILE.format(f"_{trainer.args.process_index}" if several else "")
