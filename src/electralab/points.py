"""The configurations that a command means, composed, typed and checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError

if TYPE_CHECKING:
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
    from electralab import checks, compose, config

    path = compose.search_path(config_path=flags.config_path, config_dir=flags.config_dir)
    composer = compose.Composer(path=path, config_name=flags.config_name)
    composed = composer.compose(flags.overrides, multirun=flags.multirun)
    lines = list(composed.problems)
    points: list[tuple[list[str], Config]] = []
    memo: dict[str, list[str]] = {}
    for point in composed.points:
        lines += point.problems
        if not point.container:
            continue
        typed, wrong = config.inspect(point.container)
        # What could not be resolved has been said already.
        known = [problem.split("`")[1] for problem in point.problems if "`" in problem]
        lines += [line for key, line in wrong.items() if ".".join(key) not in known]
        refused = [".".join(key) for key in wrong] + known
        lines += [
            line
            for line in checks.problems(typed, memo=memo)
            if not any(f"`{key}`" in line or f"`{key}." in line for key in refused)
        ]
        points.append((point.overrides, typed))
    if lines:
        raise UserError(list(dict.fromkeys(lines)))
    return Checked(path=path, multirun=composed.multirun, points=points)
