"""The configurations that a command means, composed, typed and checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from electralab.command.compose import Composition, Point
    from electralab.config import Chain, Config

# Of which a sweep has one, for its runs share a folder, a store and a table.
_ONE = ("name", "output_dir", "tracking", "resume", "objective", "sweep")


@dataclass(frozen=True, kw_only=True)
class CheckedPoint:
    """One configuration of a command that can be run.

    Attributes:
        overrides: What makes it, as typed.
        values: Of the swept keys; a group has its option's name.
        config: What it comes to.
    """

    overrides: list[str]
    values: dict[str, Any]
    config: Config | Chain


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A command that can be run.

    Attributes:
        path: Hydra's search path.
        multirun: A sweep rather than one run.
        points: Its configurations; equal ones are all there.
        common: Of a sweep, the configuration without its swept keys, plain and untyped.
        sweeper: Of a sweep, Hydra's settings of the sweeper, plain.
    """

    path: Any
    multirun: bool
    points: list[CheckedPoint]
    common: dict[str, Any] = field(default_factory=dict)
    sweeper: dict[str, Any] = field(default_factory=dict)


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
    _share_a_name(composed)
    of_all = [*composed.problems, *_kept_out(composed)]
    where: dict[str, list[int]] = {}  # the points of each problem
    points: list[CheckedPoint] = []
    for index, point in enumerate(composed.points):
        found = list(point.problems.values())
        if point.container:
            config, refused, wrong = _typed(point)
            found += [*wrong, *rules(config, refused)]
            made = {"overrides": point.overrides, "values": point.values}
            points.append(CheckedPoint(**made, config=config))
        for line in dict.fromkeys(found):
            where.setdefault(line, []).append(index)
    if of_all or where:
        named = [
            _at(line, [composed.points[i] for i in found], composed)
            for line, found in where.items()
        ]
        raise UserError([*dict.fromkeys(of_all), *named])
    return Checked(
        path=path,
        multirun=composed.multirun,
        points=points,
        common=composed.common,
        sweeper=composed.sweeper,
    )


def point_name(values: dict[str, Any]) -> str:
    """Returns what a point of a sweep is called, such as ``task.disc_weight=10 seed=0``."""
    return " ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _at(line: str, points: list[Point], composed: Composition) -> str:
    """Names the first point that a problem has, unless all have it."""
    if not composed.multirun or len(points) == len(composed.points):
        return line
    first = point_name(points[0].values)
    more = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return f"{line} (at {first}{more}, of {len(composed.points)} points)"


def _kept_out(composed: Composition) -> list[str]:
    """Refuses to sweep what all runs of a sweep have in common."""
    swept = {key for point in composed.points for key in point.values}
    return [
        f"`{key}` must be one value, but is swept; the runs of a sweep share it."
        for key in sorted(swept)
        if key.partition(".")[0] in _ONE
    ]


def _share_a_name(composed: Composition) -> None:
    """Gives the runs of a sweep one name where theirs follow from what is swept, as the task."""
    names = {str(point.container.get("name")) for point in composed.points if point.container}
    name = composed.common.get("name")
    if not composed.multirun or len(names) < 2 or not isinstance(name, str):
        return
    for point in composed.points:
        if point.container and "name" not in point.values:
            point.container["name"] = name
            point.overrides.append(f"name={name}")


def _typed(point: Point) -> tuple[Config, list[str], list[str]]:
    """Returns a configuration, the keys for which a stand-in is there, and a line for each."""
    from electralab import config

    found, wrong = config.inspect(point.container)
    problems = {".".join(key): line for key, line in wrong.items()}
    refused = [*point.problems, *problems]
    # What could not be resolved has been said already.
    return found, refused, [line for key, line in problems.items() if key not in point.problems]
