"""Checkpoints on disk: there whole or not at all, and passed over where they are damaged since."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from electralab.checking.local_models import weights_damage
from electralab.running import folder as files

PREFIX = "checkpoint-"
STATE, MANIFEST = "trainer_state.json", "manifest.json"
_TENSORS = ("optimizer.pt", "scheduler.pt")  # which a checkpoint without a manifest must have
_RANDOM = "rng_state*.pth"  # one a process


def step(checkpoint: Path) -> int:
    """Returns the number of optimiser steps that a checkpoint's name gives."""
    return int(checkpoint.name.removeprefix(PREFIX))


def newest_first(place: Path) -> list[Path]:
    """Returns the checkpoints in a folder, damaged ones among them."""
    found = [path for path in place.glob(f"{PREFIX}*") if path.is_dir()]
    return sorted((p for p in found if p.name.removeprefix(PREFIX).isdigit()), key=step)[::-1]


def unfinished(checkpoint: Path) -> Path:
    """Returns where a checkpoint is written until it is whole, which no search finds."""
    return checkpoint.with_name(f".{checkpoint.name}")


def seal(folder: Path, *, due: bool) -> None:
    """Notes what belongs to a checkpoint, and waits until all of it has reached the disk.

    Args:
        folder: With everything in it.
        due: Whether `trainer.save_steps` or the like asked for it, not a signal.
    """
    content = {"due": due, "files": {name: _print(path) for name, path in _files(folder)}}
    files.write_json(folder / MANIFEST, content)
    files.sync_tree(folder)


def put(finished: Path, checkpoint: Path) -> None:
    """Gives a checkpoint its name, in the place of a damaged or less complete one of its step."""
    if checkpoint.exists():
        discard(checkpoint)
    os.replace(finished, checkpoint)
    files.sync_folder(checkpoint.parent)


def discard(checkpoint: Path) -> None:
    """Removes a checkpoint; of one that is half removed, the name is gone."""
    gone = checkpoint.with_name(f".gone-{checkpoint.name.lstrip('.')}")
    shutil.rmtree(gone, ignore_errors=True)
    if checkpoint.exists():
        os.replace(checkpoint, gone)
        shutil.rmtree(gone, ignore_errors=True)


def clear(place: Path) -> None:
    """Removes what a run that was killed left of a checkpoint that it wrote or removed."""
    for left in place.glob(f".*{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def rotate(newest: Path, *, limit: int | None, best: str | None) -> None:
    """Removes the checkpoints that a run does not keep.

    What a signal asked for is removed as soon as a later one is there, and so is what lies after
    the newest: a run that fell back to an earlier checkpoint has passed it over as damaged.

    Args:
        newest: The one that was just written.
        limit: How many are kept; none: all.
        best: That of the best evaluation, which is kept.
    """
    kept = []
    for checkpoint in newest_first(newest.parent):
        if step(checkpoint) > step(newest) or not is_due(checkpoint):
            discard(checkpoint)
        else:
            kept.append(checkpoint)
    for checkpoint in kept[limit:] if limit else []:
        if str(checkpoint) != best:
            discard(checkpoint)


def is_due(checkpoint: Path) -> bool:
    """Says whether an undisturbed run has this checkpoint too."""
    return files.read_json(checkpoint / MANIFEST).get("due", True) is not False


def find_whole(run: Path) -> tuple[Path | None, list[str]]:
    """Finds the newest checkpoint that a run can go on from.

    Args:
        run: The run's folder.

    Returns:
        The checkpoint, and what is wrong with each newer one, a line each.
    """
    damaged = []
    for checkpoint in newest_first(run / files.CHECKPOINTS):
        reason = damage(checkpoint) or _damage_of_best(checkpoint)
        if reason is None:
            return checkpoint, damaged
        damaged.append(reason)
    return None, damaged


def damage(checkpoint: Path) -> str | None:
    """Says what is wrong with a checkpoint; none: every byte is as it was written.

    One without a manifest, of an earlier version, is read as far as that is possible without
    loading it.
    """
    try:
        if not (checkpoint / MANIFEST).is_file():
            return _damage_without_manifest(checkpoint)
        known = files.read_json(checkpoint / MANIFEST).get("files")
        if not isinstance(known, dict) or STATE not in known:
            return f"{checkpoint / MANIFEST} is damaged"
        for name, (size, _) in known.items():
            if not (checkpoint / name).is_file():
                return f"{checkpoint} has no {name}"
            if (found := (checkpoint / name).stat().st_size) != size:
                return f"{checkpoint / name} has {found:,} bytes instead of {size:,}"
        for name, expected in known.items():
            if _print(checkpoint / name) != expected:
                return f"{checkpoint / name} is not what was written"
    except OSError as error:
        return f"{error.filename or checkpoint} cannot be read: {error.strerror}"
    except (TypeError, ValueError):
        return f"{checkpoint / MANIFEST} is damaged"
    if not any(name.startswith("optimizer") or "/" in name for name in known):
        return f"{checkpoint} holds no optimiser (trainer.save_only_model)"
    return None


def _damage_without_manifest(checkpoint: Path) -> str | None:
    if not files.read_json(checkpoint / STATE).get("global_step"):
        return f"{checkpoint / STATE} is no state of a training"
    if reason := weights_damage(checkpoint):
        return reason
    tensors = [checkpoint / name for name in _TENSORS]
    for file in [*tensors, *checkpoint.glob(_RANDOM)]:
        if not file.is_file():
            return f"{checkpoint} has no {file.name}"
        try:
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
        except (zipfile.BadZipFile, NotImplementedError):
            damaged = file.name
        if damaged:
            return f"{file} is damaged"
    return None if any(checkpoint.glob(_RANDOM)) else f"{checkpoint} has no rng_state.pth"


def _damage_of_best(checkpoint: Path) -> str | None:
    """Says what is wrong with the checkpoint whose weights the run may take in the end."""
    recorded = files.read_json(checkpoint / STATE).get("best_model_checkpoint")
    if not recorded:
        return None
    best = checkpoint.with_name(Path(str(recorded)).name)  # the run may have been moved
    return damage(best) if best != checkpoint else None


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.relative_to(folder).as_posix(), path) for path in found]


def _print(file: Path) -> list[Any]:
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256").hexdigest()
    return [file.stat().st_size, content]
