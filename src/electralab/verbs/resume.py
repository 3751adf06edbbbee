"""`electralab resume`: goes on from the last checkpoint, in the same tracked run."""

from __future__ import annotations

import argparse

from electralab.config import is_chain
from electralab.errors import UserError
from electralab.rerunning.recorded import read
from electralab.verbs.common import find, recorded_store, return_to, split_options


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab resume",
        description="Goes on with a run from its last checkpoint, in the same tracked run.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    arguments, settings = split_options(parser, argv)
    found = find(arguments.run, settings)
    folder = found.folder.absolute()
    recorded = read(folder, run_id=found.run_id)
    chain = is_chain(recorded.config)  # which goes on by itself, run by run
    container = recorded.config | {"resume": None if chain else str(folder)}
    if folder.parent.name == container.get("name"):  # it may have been moved
        container["output_dir"] = str(folder.parent.parent)
    container |= recorded_store(container, settings, again=f"resume {folder}", where=str(folder))

    from electralab.checking import checks
    from electralab.config import validate
    from electralab.running import alive
    from electralab.running.resuming import is_finished

    if is_finished(folder):
        another = f"; start another run from it: electralab model=auto model.name_or_path={folder}"
        raise UserError(
            f"RUN must be unfinished, but {folder} is finished{'.' if chain else another}"
        )
    if process := alive.who_runs(folder):
        raise UserError(
            f"RUN must have stopped, but {folder} is running in {process}; stop it first."
        )
    return_to(recorded.identity)
    config = validate(container)
    if problems := checks.problems(config):
        raise UserError(problems)
    if chain:
        from electralab.running.chain import execute

        execute(config, recorded.overrides)
    else:
        from electralab.run import execute

        execute(config, [f"resume={folder}"])
    return 0
