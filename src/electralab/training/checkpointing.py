"""Writing a checkpoint: of every process, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transformers.trainer_callback import ExportableState

from electralab.running import checkpoints
from electralab.training import together, window

if TYPE_CHECKING:
    from electralab.training.trainer import ExperimentTrainer


def write(trainer: ExperimentTrainer, *, due: bool) -> None:
    """Writes a checkpoint of the step that a training has reached.

    Args:
        trainer: In the middle of its training; every process calls this.
        due: Whether it belongs to the run. One that a signal asks for does not: it replaces no
            other, and is never the best, for an undisturbed run would not have it.

    Raises:
        OSError, RuntimeError: The disk is full, say; what was written of the checkpoint is removed.
    """
    args, name = trainer.args, f"{checkpoints.PREFIX}{trainer.state.global_step}"
    checkpoint = Path(args.output_dir, name)
    unfinished = checkpoints.unfinished(checkpoint)
    try:
        _fill(trainer, unfinished, checkpoint, due=due)
        together.wait_for_all()
        if args.should_save:
            checkpoints.seal(unfinished, due=due)
            checkpoints.put(unfinished, checkpoint)
    except BaseException:
        checkpoints.discard(unfinished)
        raise
    together.wait_for_all()
    if args.push_to_hub:
        trainer._push_from_checkpoint(str(checkpoint))
    if args.should_save and due:
        best = trainer.state.best_model_checkpoint
        checkpoints.rotate(checkpoint, limit=args.save_total_limit, best=best)


def _fill(trainer: ExperimentTrainer, unfinished: Path, checkpoint: Path, *, due: bool) -> None:
    """Writes what `Trainer._save_checkpoint` does, and what else a training depends on."""
    place, state = str(unfinished), trainer.state
    unfinished.mkdir(parents=True, exist_ok=True)
    trainer.store_flos()
    trainer.save_model(place, _internal_call=True)
    if not trainer.args.save_only_model:
        trainer._save_optimizer_and_scheduler(place)
        trainer._save_scaler(place)
        trainer._save_rng_state(place)
    window.keep(trainer, unfinished, due=due)
    best = checkpoint.with_name(f"{checkpoints.PREFIX}{state.best_global_step}")
    exists = due if best == checkpoint else best.is_dir() and checkpoints.is_due(best)
    if exists:
        state.best_model_checkpoint = str(best)
    if trainer.args.should_save:
        for callback in [*trainer.callback_handler.callbacks, trainer.control]:
            if isinstance(callback, ExportableState):
                state.stateful_callbacks[type(callback).__name__] = callback.state()
        state.save_to_json(str(unfinished / checkpoints.STATE))
