"""The command `electralab`: verbs, and everything else to Hydra."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from electralab import processes
from electralab.checking.nearest import did_you_mean
from electralab.errors import Interrupted, UserError

# Imported when typed, so that the others answer at once.
VERBS = {
    "check": "electralab.verbs.check:main",
    "rerun": "electralab.verbs.rerun:main",
    "resume": "electralab.verbs.resume:main",
    "sync": "electralab.verbs.sync:main",
    "predict": "electralab.verbs.predict:main",
    "export": "electralab.verbs.export:main",
    "compare": "electralab.verbs.compare:main",
    "ui": "electralab.verbs.ui:main",
}


def entry() -> None:
    """The console script."""
    sys.exit(main())


def main(argv: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after `electralab`; none: those of the process.

    Returns:
        The exit status: 0 done, 1 the run failed, 2 something must be changed, 130 and 143 after
        Ctrl-C and SIGTERM.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    # Read when torch loads: OpenMP's threads spin for milliseconds at each barrier, which on a core
    # that something else wants too makes small steps six times slower (measured: 2,400 tokens/s
    # instead of 15,000); spinning briefly costs a tenth on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    processes.hush()
    try:
        return _dispatch(words)
    except UserError as error:
        processes.complain(error.problems)
        return error.exit_status
    except (Interrupted, KeyboardInterrupt) as error:
        if folder := getattr(error, "run_folder", None):
            command = processes.command()
            print(f"stopped; go on with: {command} resume {folder}", file=sys.stderr)
        return error.exit_status if isinstance(error, Interrupted) else 130
    except SystemExit as error:  # of the parser, or of Hydra's display flags
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from electralab.command.jobs import describe

        processes.complain([describe(error)])
        return 1


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else ""
    if first in VERBS:
        module, _, function = VERBS[first].partition(":")
        return getattr(importlib.import_module(module), function)(words[1:])
    if first and "=" not in first and first[0] not in "-~+":
        raise UserError(f"`{first}` is no command{did_you_mean(first, VERBS)}")
    if words == ["--version"]:
        return _version()
    with _stoppable():
        flags = parse_flags(words)
        if _displays(flags):
            from electralab.command import display

            return display.show(flags)
        return _run(flags)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Makes SIGTERM an exception, as Ctrl-C is, and says what neither a run nor a sweep has said.

    Raises:
        Interrupted: SIGTERM came.
    """

    def receive(number: int, _frame: Any) -> NoReturn:
        raise Interrupted(128 + number)

    # Only the main thread can set a handler; who has set another one means it.
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, receive)
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        if not getattr(error, "run_folder", None) and not getattr(error, "is_told", False):
            print("stopped; nothing was saved", file=sys.stderr)
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _version() -> int:
    from importlib.metadata import version

    print(f"electralab {version('electralab')} (hydra-core {version('hydra-core')})")
    return 0


def _run(flags: argparse.Namespace) -> int:
    from electralab.command.points import checked

    command = checked(flags)
    if command.multirun:
        processes.refuse_several("a sweep", "its launcher runs several jobs at once")
        from electralab.sweeping import launch

        return launch.run(command, flags)
    from electralab.command import jobs

    return jobs.launch(flags.overrides, path=command.path, config_name=flags.config_name)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; `electralab --help` shows what there is.")


def parse_flags(words: list[str]) -> argparse.Namespace:
    """Reads Hydra's own flags and the overrides among a command's words.

    Raises:
        UserError: A flag is not known.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.__class__ = _Parser
    # Flags may stand between overrides.
    flags = parser.parse_intermixed_args(words)
    if flags.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun loads a pickle, which can run code; use `resume RUN`."
        )
    return flags


def _displays(flags: Any) -> bool:
    return bool(
        flags.help or flags.hydra_help or flags.cfg or flags.shell_completion
        or flags.info is not None
    )  # fmt: skip
