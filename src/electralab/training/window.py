"""Where a training stands at a checkpoint, so that a resumed run logs what an undisturbed one does.

The Trainer's own state holds none of it: sums since the last log, whether training has come to its
end, and what a signal has left undone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from electralab.errors import UserError
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.training.trainer import ExperimentTrainer

FILE = "window{}.json"  # of a checkpoint
_TYPES = {  # of sums
    str(kind).removeprefix("torch."): kind
    for kind in (torch.int64, torch.bfloat16, torch.float16, torch.float32, torch.float64)
}


def keep(trainer: ExperimentTrainer, checkpoint: Path, *, due: bool) -> None:
    """Writes into a checkpoint where the training stands; each process has its own.

    Args:
        trainer: In the middle of its training.
        checkpoint: The checkpoint's folder.
        due: Whether an undisturbed run writes this checkpoint too.
    """
    sums = trainer.window
    content = {
        "loss": trainer._tr_loss.item(),
        "total": trainer._total_loss_scalar,
        "since": trainer._globalstep_last_logged,
        "sums": None if sums is None else sums.tolist(),
        "type": None if sums is None else str(sums.dtype).removeprefix("torch."),
        "ended": trainer.control.should_training_stop and not trainer.is_cut,
        "reason": next((judge.reason for judge in _judges(trainer) if judge.reason), None),
        "owed": trainer.owed,
        "due": due,
        "speed": trainer.speed.state(),
    }
    files.write_json(checkpoint / _file(trainer), content)


def take_up(trainer: ExperimentTrainer, checkpoint: Path) -> None:
    """Goes on from where a checkpoint stands.

    Args:
        trainer: At the beginning of its first epoch.
        checkpoint: What it is resumed from.
    """
    found = files.read_json(checkpoint / _file(trainer))
    if not found:
        return
    device = trainer.args.device
    try:
        trainer._tr_loss = torch.tensor(float(found["loss"]), device=device)
        trainer._total_loss_scalar = float(found.get("total", 0.0))
        trainer._globalstep_last_logged = int(found["since"])
        if found["sums"] is not None:
            trainer.window = torch.tensor(found["sums"], dtype=_TYPES[found["type"]], device=device)
        is_due = found["due"]
        trainer.speed.take_up(dict(found.get("speed", {})))
    except (
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise UserError(
            f"`resume` must go on from a whole checkpoint, but {checkpoint / _file(trainer)} is "
            f"none of ours; remove {checkpoint} to go on from the one before."
        ) from error
    trainer.ended = found.get("ended", False)
    trainer.owed = found.get("owed", False)
    trainer.due = trainer.owed and is_due
    for judge in _judges(trainer):
        judge.reason = found.get("reason")


def _judges(trainer: ExperimentTrainer) -> list:
    """Returns the callbacks that may end a training early and say why."""
    return [
        callback for callback in trainer.callback_handler.callbacks if hasattr(callback, "reason")
    ]


def _file(trainer: ExperimentTrainer) -> str:
    several = trainer.args.world_size > 1
    return FILE.format(f"_{trainer.args.process_index}" if several else "")
