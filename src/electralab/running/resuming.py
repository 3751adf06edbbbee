"""Going on with a run: which one is meant, and whether it can be gone on with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from electralab import processes
from electralab.checking.local_models import weights_damage
from electralab.checking.signature import settings, signature
from electralab.errors import UserError
from electralab.running import alive, checkpoints
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.config import Config
    from electralab.tracking.store import Store

log = logging.getLogger(__name__)

AUTO = "auto"
_SHOWN = 3  # differing keys that a message names
_ANEW = "; start the run again without `resume`."


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A run to go on with.

    Attributes:
        run_id: Its id.
        folder: Its folder.
        trained: It has its final weights, so that nothing but evaluation is left.
        checkpoint: What its training goes on from; none: from its beginning, or not at all.
    """

    run_id: str
    folder: Path
    trained: bool
    checkpoint: Path | None

    @property
    def begins(self) -> bool:
        """Whether the run was stopped before it had anything to go on from."""
        return not self.trained and self.checkpoint is None


def find_resumed(config: Config, *, store: Store | None) -> Resumed | None:
    """Returns the run that `resume` means.

    Args:
        config: A checked configuration.
        store: Asked for runs that no folder has; none: folders alone.

    Returns:
        The run; none if a run begins anew.

    Raises:
        UserError: There is no such run, or it cannot be gone on with.
    """
    from electralab.tracking.records import find_run

    if config.resume is None:
        return None
    if config.resume == AUTO:
        return _newest(config)
    try:
        record = find_run(
            str(Path(config.resume).expanduser()), store=store, output_dir=config.output_dir
        )
    except UserError as error:
        raise type(error)(f"`resume`: {line}" for line in error.problems) from None
    if is_finished(record.folder):
        raise UserError(
            f"`resume` must name an unfinished run, but {record.folder} is finished; start another "
            f"from it with model=auto model.name_or_path={record.folder}"
        )
    if process := alive.who_runs(record.folder):
        raise UserError(
            f"`resume` must name a run that has stopped, but {record.folder} is running in "
            f"{process}; stop it first."
        )
    if differing := _differing(config, record.folder):
        more = f", and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise UserError(
            f"`resume` must go on with the configuration of {record.folder}, but there "
            f"{', '.join(differing[:_SHOWN])}{more}; leave these as they were (electralab resume "
            f"{record.folder}), or start a new run without `resume`."
        )
    if not is_trained(record.folder):
        _check_processes(record.folder)
    return _from(record.run_id, record.folder)


def is_finished(folder: Path) -> bool:
    """Says whether a run came to its end, be it that a search stopped it early."""
    return files.read_json(folder / files.SUMMARY).get("status") in ("FINISHED", "PRUNED")


def is_trained(folder: Path) -> bool:
    """Says whether a run has its final weights, so that nothing but evaluation is left."""
    return (folder / files.MODEL / "config.json").is_file()


def began_with(folder: Path) -> int:
    """Returns how many processes a run began with, by which its effective batches are made."""
    return int(files.read_json(folder / files.IDENTITY).get("processes", 1))


def check_data(record: Resumed | None, *, fingerprint: str) -> None:
    """Refuses to go on with other texts than the run began with.

    Args:
        record: The run to go on with, if any.
        fingerprint: That of the prepared data.

    Raises:
        UserError: The data changed.
    """
    if record is None:
        return
    known = files.read_json(record.folder / files.IDENTITY).get("data_fingerprint")
    if known not in (None, fingerprint):
        raise UserError(
            f"`resume` must go on with the data of {record.folder}, but it has changed since; "
            "bring the old files back, or start a new run without `resume`."
        )


def _newest(config: Config) -> Resumed | None:
    """Returns the newest unfinished run of the same signature that can be gone on with."""
    from electralab.tracking.records import read_id

    sign = signature(config)
    folders = Path(config.output_dir, config.name).glob(f"*-{sign}*")
    for folder in sorted(folders, key=lambda path: path.name, reverse=True):
        run_id = read_id(folder)
        same = is_trained(folder) or began_with(folder) == processes.count()
        if run_id and same and not is_finished(folder) and not alive.who_runs(folder):
            try:
                return _from(run_id, folder)
            except UserError as error:
                _say(f"{error.problems[0].removesuffix(_ANEW)}; it is left as it is.")
    return None


def _from(run_id: str, folder: Path) -> Resumed:
    """Finds what a run goes on from, and says which checkpoints are damaged.

    Raises:
        UserError: It has checkpoints, but none is whole.
    """
    if is_trained(folder):
        damage = weights_damage(folder / files.MODEL)
        if damage is None:
            return Resumed(run_id=run_id, folder=folder, trained=True, checkpoint=None)
        _say(f"{damage}; its training goes on from the last checkpoint.")
    checkpoint, damaged = checkpoints.find_whole(folder)
    if damaged and checkpoint is None:
        raise UserError(
            f"`resume` must go on from a whole checkpoint, but {damaged[0]}, and {folder} has no "
            f"other that is whole{_ANEW}"
        )
    if checkpoint is None:
        _say(f"{folder} has no checkpoint yet; its training begins again.")
    for reason in damaged:
        _say(f"{reason}; the run goes on from {checkpoint.name}.")
    return Resumed(run_id=run_id, folder=folder, trained=False, checkpoint=checkpoint)


def _say(line: str) -> None:
    if processes.is_main():
        log.warning("%s", line)


def _differing(config: Config, folder: Path) -> list[str]:
    """Returns "`key` is A instead of B" for what a recorded configuration has otherwise."""
    from electralab.tracking.params import flatten

    try:
        recorded = files.read_yaml(folder / files.CONFIG)
    except (OSError, ValueError):
        return []
    if not isinstance(recorded, dict):
        return []
    there, here = flatten(settings(recorded)), flatten(settings(config.model_dump()))
    return [
        f"`{key}` is {there.get(key, 'not set')} instead of {here.get(key, 'not set')}"
        for key in dict.fromkeys([*here, *there])
        if there.get(key) != here.get(key)
    ]


def _check_processes(folder: Path) -> None:
    if (began := began_with(folder)) != processes.count():
        raise UserError(
            f"`resume` must go on with the {began} processes that {folder} began with, but there "
            f"are {processes.count()} instead, whose batches would be others; type "
            f"{processes.command(began)} resume {folder}"
        )
