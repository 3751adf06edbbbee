"""`electralab resume`: goes on from the last checkpoint, in the same tracked run."""

from __future__ import annotations

import argparse

import yaml

from electralab import folder as files
from electralab.errors import UserError, one_line
from electralab.verbs.common import find, split_options


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab resume",
        description="Goes on with a run from its last checkpoint, in the same tracked run.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    arguments, settings = split_options(parser, argv)
    record = find(arguments.run, settings)
    file = record.folder / files.CONFIG
    try:
        container = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"RUN must have a readable {file}, but: {one_line(error)}.") from error
    if not isinstance(container, dict):
        raise UserError(f"RUN must have a readable {file}, but it holds no keys.")

    from electralab import checks
    from electralab.config import validate
    from electralab.run import execute

    config = validate({**container, "resume": str(record.folder)})
    if problems := checks.problems(config):
        raise UserError(problems)
    execute(config, [f"resume={record.folder}"])
    return 0
