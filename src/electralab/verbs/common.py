"""What verbs that work on a RUN share: where to look for it."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError, one_line
from electralab.running import folder as files
from electralab.running.resuming import is_finished

if TYPE_CHECKING:
    from electralab.config import Config
    from electralab.tracking.records import RunRecord
    from electralab.tracking.store import Store

_SETTINGS = ("output_dir=", "tracking=", "tracking.")


def split_options(
    parser: argparse.ArgumentParser, argv: list[str]
) -> tuple[argparse.Namespace, list[str]]:
    """Reads the words of a verb; `--` ends its options and settings.

    Args:
        parser: Knows the verb's options and arguments.
        argv: The words after the verb.

    Returns:
        The arguments, and the settings of the form ``output_dir=…`` or ``tracking.…=…``.

    Raises:
        UserError: An option is unknown or an argument is missing.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    settings = [word for word in argv[:end] if word.startswith(_SETTINGS)]
    rest = [word for word in argv[:end] if not word.startswith(_SETTINGS)]
    # Stand-ins for what follows `--`, for argparse does not know it where options stand between.
    literal = {f"\0{index}": word for index, word in enumerate(argv[end + 1 :])}

    def refuse(message: str) -> None:
        raise UserError(f"{parser.prog}: {message}; `{parser.prog} --help` shows what there is.")

    parser.error = refuse  # argparse's own would print its usage as well
    arguments = parser.parse_intermixed_args([*rest, *literal])
    for name, value in vars(arguments).items():
        if isinstance(value, list):
            setattr(arguments, name, [literal.get(word, word) for word in value])
        else:
            setattr(arguments, name, literal.get(value, value))
    return arguments, settings


def finished_model(run_folder: Path) -> Path:
    """Returns the folder of a run's model.

    Raises:
        UserError: The run has none, for it did not finish.
    """
    source = run_folder / files.MODEL
    runs = files.read_json(run_folder / files.SUMMARY).get("runs")
    if isinstance(runs, dict):
        known = ", ".join(f"{run} ({arm})" for arm, ids in runs.items() for run in _each(ids))
        raise UserError(f"RUN must be a single run, but {run_folder} is a chain of {known}.")
    if not (source / "config.json").is_file():
        if is_finished(run_folder):
            raise UserError(
                f"RUN must have its model, but {source / 'config.json'} is gone; bring it back, or "
                "start the run again."
            )
        raise UserError(
            f"RUN must have finished, but {run_folder} has no {files.MODEL}/ with a model; go on "
            f"with it: electralab resume {run_folder}"
        )
    return source


def _each(ids: Any) -> list[Any]:
    return ids if isinstance(ids, list) else [ids]


def run_config(run_folder: Path) -> dict[str, Any]:
    """Returns the configuration of a run, as plain mappings.

    Raises:
        UserError: Its record is damaged.
    """
    file = run_folder / files.CONFIG
    try:
        config = files.read_yaml(file)
        config["task"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"RUN must hold the configuration it ran with, but {file} cannot be read: "
            f"{one_line(error)}."
        ) from error
    return config


def compose_settings(settings: list[str]) -> Config:
    """Returns the configuration that settings make; only its place and its store count.

    Raises:
        UserError: A setting is wrong.
    """
    from electralab.checking.checks import tracking_problems
    from electralab.cli import parse_flags
    from electralab.command.points import typed

    # Who only looks needs no folder that can be written, nor data.
    config = typed(parse_flags(settings)).points[0].config
    if problems := list(tracking_problems(config)):
        raise UserError(problems)
    return config


def recorded_store(
    config: dict[str, Any], settings: list[str], *, again: str, where: str
) -> dict[str, Any]:
    """Returns where to record what a record started: as asked for, else as recorded.

    Args:
        config: The recorded configuration, plain.
        settings: ``output_dir=…`` and ``tracking.…=…`` as typed.
        again: The verb and its RUN, for a message.
        where: What has the record, likewise.

    Raises:
        UserError: A setting is wrong, or the record lacks a password.
    """
    asked = compose_settings(settings)
    found: dict[str, Any] = {}
    if any(word.startswith("output_dir=") for word in settings):
        found["output_dir"] = str(Path(asked.output_dir).absolute())
    if any(word.startswith("tracking") for word in settings):
        found["tracking"] = asked.tracking.model_dump()
    elif "***" in str((config.get("tracking") or {}).get("uri")):
        raise UserError(
            f"`tracking.uri` must be given again, for the record of {where} does not hold its "
            f"password: electralab {again} tracking=server tracking.uri=…"
        )
    return found


def return_to(identity: dict[str, Any]) -> None:
    """Goes where a run was started, for the relative paths in its configuration."""
    with suppress(OSError, LookupError, TypeError, ValueError):  # elsewhere now, or an old record
        os.chdir(identity["working_dir"])


def locate(settings: list[str]) -> tuple[Store, Path]:
    """Returns the store and the folder of runs that settings name; makes neither.

    Raises:
        UserError: A setting is wrong.
    """
    from electralab.tracking.store import open_store

    config = compose_settings(settings)
    output_dir = Path(config.output_dir)
    return open_store(config.tracking, output_dir=output_dir, create=False), output_dir


def find(text: str, settings: list[str]) -> RunRecord:
    """Finds the run that a person means: its folder, its id, or the beginning of its id.

    Raises:
        UserError: There is no such run, or several.
    """
    from electralab.tracking.records import find_run

    store, output_dir = locate(settings)
    return find_run(text, store=store, output_dir=output_dir)
