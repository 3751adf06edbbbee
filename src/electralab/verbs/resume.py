"""`electralab resume`: goes on from the last checkpoint, in the same tracked run."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import yaml

from electralab.config import is_chain
from electralab.errors import UserError, one_line
from electralab.running import folder as files
from electralab.verbs.common import compose_settings, find, split_options


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab resume",
        description="Goes on with a run from its last checkpoint, in the same tracked run.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    arguments, settings = split_options(parser, argv)
    folder = find(arguments.run, settings).folder.absolute()
    container = _recorded(folder)
    chain = is_chain(container)  # which goes on by itself, run by run
    container |= {"resume": None if chain else str(folder)}
    container |= _store(container, folder, settings)

    from electralab.checking import checks
    from electralab.config import validate
    from electralab.running.resuming import is_finished

    if is_finished(folder):
        another = f"; start another run from it: electralab model=auto model.name_or_path={folder}"
        raise UserError(
            f"RUN must be unfinished, but {folder} is finished{'.' if chain else another}"
        )
    _return_to_its_place(folder)
    config = validate(container)
    if problems := checks.problems(config):
        raise UserError(problems)
    if chain:
        from electralab.running.chain import execute

        execute(config, yaml.safe_load((folder / files.OVERRIDES).read_text(encoding="utf-8")))
    else:
        from electralab.run import execute

        execute(config, [f"resume={folder}"])
    return 0


def _recorded(folder: Path) -> dict[str, Any]:
    """Returns the configuration of a run."""
    file = folder / files.CONFIG
    try:
        container = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = getattr(error, "problem", None) or getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"RUN must have a readable {file}, but: {why}.") from error
    if not isinstance(container, dict):
        raise UserError(f"RUN must have a readable {file}, but it holds no keys.")
    return container


def _store(container: dict[str, Any], folder: Path, settings: list[str]) -> dict[str, Any]:
    """Returns where to go on recording: as asked for, else where the run's folder lies now."""
    asked = compose_settings(settings)
    found: dict[str, Any] = {}
    if any(word.startswith("output_dir=") for word in settings):
        found["output_dir"] = str(Path(asked.output_dir).absolute())
    elif folder.parent.name == container.get("name"):
        found["output_dir"] = str(folder.parent.parent)
    if any(word.startswith("tracking") for word in settings):
        found["tracking"] = asked.tracking.model_dump()
    elif "***" in str((container.get("tracking") or {}).get("uri")):
        raise UserError(
            f"`tracking.uri` must be given again, for {folder / files.CONFIG} does not hold its "
            f"password: electralab resume {folder} tracking=server tracking.uri=…"
        )
    return found


def _return_to_its_place(folder: Path) -> None:
    """Goes where the run was started, for the relative paths in its configuration."""
    try:
        identity = json.loads((folder / files.IDENTITY).read_text(encoding="utf-8"))
        os.chdir(identity["working_dir"])
    except (OSError, ValueError, LookupError, TypeError):
        return  # elsewhere now, or of an older version
