"""The configurations that a command means, composed, typed and checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from electralab.command.compose import Point
    from electralab.config import Config


@dataclass(frozen=True)
class Checked:
    """A command that can be run.

    Attributes:
        path: Hydra's search path.
        multirun: A sweep rather than one run.
        points: The overrides and the configuration of each point; equal ones are all there.
    """

    path: Any
    multirun: bool
    points: list[tuple[list[str], Config]]


def checked(flags: argparse.Namespace) -> Checked:
    """Composes and checks every point of a command.

    Args:
        flags: What `cli.parse_flags` read.

    Raises:
        UserError: With all problems of all points.
    """
    from electralab.checking import checks

    memo: dict[str, list[str]] = {}
    return _composed(
        flags, rules=lambda config, refused: checks.problems(config, memo=memo, refused=refused)
    )


def typed(flags: argparse.Namespace) -> Checked:
    """Composes every point and its types alone, for commands that run nothing.

    Args:
        flags: What `cli.parse_flags` read.

    Raises:
        UserError: With all problems of all points.
    """
    return _composed(flags, rules=lambda config, refused: [])


def _composed(
    flags: argparse.Namespace, *, rules: Callable[[Config, list[str]], list[str]]
) -> Checked:
    from electralab.command import compose

    path = compose.search_path(config_path=flags.config_path, config_dir=flags.config_dir)
    composer = compose.Composer(path=path, config_name=flags.config_name)
    composed = composer.compose(flags.overrides, multirun=flags.multirun)
    lines = list(composed.problems)
    points: list[tuple[list[str], Config]] = []
    for point in composed.points:
        lines += point.problems.values()
        if point.container:
            config, refused, wrong = _typed(point)
            lines += [*wrong, *rules(config, refused)]
            points.append((point.overrides, config))
    if lines:
        raise UserError(list(dict.fromkeys(lines)))
    return Checked(path=path, multirun=composed.multirun, points=points)


def _typed(point: Point) -> tuple[Config, list[str], list[str]]:
    """Returns a configuration, the keys for which a stand-in is there, and a line for each."""
    from electralab import config

    found, wrong = config.inspect(point.container)
    problems = {".".join(key): line for key, line in wrong.items()}
    refused = [*point.problems, *problems]
    # What could not be resolved has been said already.
    return found, refused, [line for key, line in problems.items() if key not in point.problems]
