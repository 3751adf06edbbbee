"""Hydra's flags that show something and run nothing: --help, --cfg, --info, completion."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from electralab.errors import UserError


def show(flags: argparse.Namespace) -> int:
    """Lets Hydra show what the flags ask for, after a look at what it is going to compose.

    Args:
        flags: What `cli.parse_flags` read.

    Returns:
        The exit status.

    Raises:
        UserError: The configuration does not compose, or flags exclude one another.
    """
    from hydra._internal.utils import _run_hydra, get_args_parser

    from electralab.command import compose
    from electralab.command.words import opened

    shown = [bool(flags.help or flags.hydra_help), bool(flags.cfg), flags.info is not None]
    if sum([*shown, flags.shell_completion, flags.multirun, flags.run]) > 1:
        raise UserError("--help, --cfg, --info, --shell-completion and -m must stand alone.")
    own = flags.config_path or flags.config_dir or flags.config_name
    if flags.shell_completion:
        _complete_verbs()
        _open_words(opened)
    elif flags.overrides or own:
        path = compose.search_path(config_path=flags.config_path, config_dir=flags.config_dir)
        composer = compose.Composer(path=path, config_name=flags.config_name)
        # Also because Hydra sets up logging for --help, which a configuration must not abuse.
        composed = composer.compose(flags.overrides)
        problems = list(composed.problems)
        for point in composed.points:  # of a key that cannot be resolved only if it is asked for
            found = point.problems.items()
            problems += [line for key, line in found if flags.resolve or "=" in key]
        if problems:
            raise UserError(problems)
        flags.overrides = opened(flags.overrides)

    def task(_: Any) -> None:
        """Hydra asks where this is defined; it is never called."""

    try:
        _run_hydra(
            args=flags,
            args_parser=get_args_parser(),
            task_function=task,
            config_path=compose.CONFIG_PATH,
            config_name=compose.CONFIG_NAME,
        )
    finally:
        from hydra.core.global_hydra import GlobalHydra

        GlobalHydra.instance().clear()
    return 0


def _complete_verbs() -> None:
    """Completes the first word with our verbs, and hides a verb from Hydra, which has none."""
    from electralab.cli import VERBS

    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    new_word = line.endswith(" ")
    if len(words) + new_word == 2:
        begun = "" if new_word else words[1]
        print("".join(f"{verb}\n" for verb in VERBS if verb.startswith(begun)), end="")
    elif len(words) > 1 and words[1] in VERBS:
        os.environ["COMP_LINE"] = line.replace(f"{words[1]} ", "", 1)


def _open_words(opened: Callable[[list[str]], list[str]]) -> None:
    """Says the words before the one to complete as Hydra knows them, such as recipes."""
    line = os.environ.get("COMP_LINE", "")
    first, *whole = line.split(" ")[:-1] or [line]
    if whole:
        last = line.rpartition(" ")[2]
        os.environ["COMP_LINE"] = " ".join([first, *opened([word for word in whole if word]), last])
