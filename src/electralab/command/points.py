"""The configurations that a command means, composed, typed and checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.checking.search_checks import Search
    from electralab.command.compose import Composer
    from electralab.command.composition import Composition, Point
    from electralab.command.space import Dimension
    from electralab.comparing.results import Objective
    from electralab.config import Chain, Config

Rules = Callable[["Config | Chain", list[str]], list[str]]

# Of which a sweep has one, for its runs share a folder, a store and a table.
_ONE = ("name", "output_dir", "tracking", "resume", "objective", "sweep")
_OPTIONS = ("path", "name", "dir")  # of Hydra, which say where the configuration lies


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
class Searched:
    """What a search chooses its points from.

    Attributes:
        settings: Of the search.
        space: Its dimensions.
        at: Composes and checks the point of a value a dimension, given as texts; raises a
            `UserError` if it cannot be run.
    """

    settings: Search
    space: list[Dimension]
    at: Callable[[Sequence[str]], CheckedPoint]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A command that can be run.

    Attributes:
        path: Hydra's search path.
        multirun: A sweep rather than one run.
        points: Its configurations; equal ones are all there; of a search, the corners of its space.
        common: Of a sweep, the configuration without its swept keys, plain and untyped.
        sweeper: Of a sweep, Hydra's settings of the sweeper, plain.
        search: Of a search.
        objective: Of a sweep, what tells which point is best.
    """

    path: Any
    multirun: bool
    points: list[CheckedPoint]
    common: dict[str, Any] = field(default_factory=dict)
    sweeper: dict[str, Any] = field(default_factory=dict)
    search: Searched | None = None
    objective: list[Objective] = field(default_factory=list)


def checked(flags: argparse.Namespace) -> Checked:
    """Composes and checks every point of a command.

    Args:
        flags: What `cli.parse_flags` read.

    Raises:
        UserError: With all problems of all points.
    """
    from electralab.checking import checks

    memo: dict[str, list[str]] = {}
    found = _composed(
        flags, rules=lambda config, refused: checks.problems(config, memo=memo, refused=refused)
    )
    return _judged(found) if found.multirun else found


def _judged(command: Checked) -> Checked:
    """Says what the points of a sweep are judged by, and refuses what does not compare them."""
    from electralab.checking import objectives, search_checks
    from electralab.running.resuming import AUTO

    configs = [point.config for point in command.points]
    swept = [*dict.fromkeys(key for point in command.points for key in point.values)]
    is_search = command.search is not None
    direction = command.sweeper.get("direction")
    named, problems = objectives.of_sweep(
        configs, swept=swept, direction=direction, is_search=is_search
    )
    if command.search:
        problems += search_checks.search_problems(
            command.search.settings,
            config=configs[0],
            metrics=[objective.metric for objective in named],
            numbers=any(one.is_number for one in command.search.space),
        )
    if configs[0].resume not in (None, AUTO):
        problems.append(
            f"`resume` must be null in a sweep, but is {configs[0].resume!r} instead; the same "
            "command again goes on with each of its jobs."
        )
    if problems:
        raise UserError(problems)
    return replace(command, objective=named)


def typed(flags: argparse.Namespace) -> Checked:
    """Composes every point and its types alone, for commands that run nothing.

    Args:
        flags: What `cli.parse_flags` read.

    Raises:
        UserError: With all problems of all points.
    """
    return _composed(flags, rules=lambda config, refused: [])


def _composed(flags: argparse.Namespace, *, rules: Rules) -> Checked:
    from electralab.checking.search_checks import inspect, is_search
    from electralab.command import compose

    path = compose.search_path(config_path=flags.config_path, config_dir=flags.config_dir)
    composer = compose.Composer(path=path, config_name=flags.config_name)
    composed = composer.compose(flags.overrides, multirun=flags.multirun)
    _share_a_name(composed)
    of_all = [*composed.problems, *_kept_out(composed)]
    search = None
    if composed.multirun and is_search(composed.sweeper):
        settings, wrong = inspect(composed.sweeper)
        of_all += wrong
        if settings:
            at = partial(_at_once, composer=composer, composed=composed, rules=rules)
            search = Searched(settings=settings, space=composed.space, at=at)
    where: dict[str, list[int]] = {}  # the points of each problem
    points: list[CheckedPoint] = []
    for index, point in enumerate(composed.points):
        found, problems = _checked(point, rules)
        points += [found] if found else []
        for line in dict.fromkeys(problems):
            where.setdefault(line, []).append(index)
    if of_all or where:
        named = [
            _at(line, [composed.points[i] for i in found], composed)
            for line, found in where.items()
        ]
        raise UserError(list(dict.fromkeys([*of_all, *named])))
    return Checked(
        path=path,
        multirun=composed.multirun,
        points=points,
        common=composed.common,
        sweeper=composed.sweeper,
        search=search,
    )


def _checked(point: Point, rules: Rules) -> tuple[CheckedPoint | None, list[str]]:
    """Returns a point and everything that is wrong with it."""
    found = list(point.problems.values())
    if not point.container:
        return None, found
    config, refused, wrong = _typed(point)
    found += [*wrong, *rules(config, refused)]
    return CheckedPoint(overrides=point.overrides, values=point.values, config=config), found


def _at_once(
    texts: Sequence[str], *, composer: Composer, composed: Composition, rules: Rules
) -> CheckedPoint:
    """Composes and checks one more point of a search."""
    from electralab.command.space import overrides_of

    point, problems = composer.point(overrides_of(composed.space, texts))
    _share_a_name(composed, [point])
    found, more = _checked(point, rules)
    if problems or more:
        raise UserError([*problems, *more])
    return found


def point_name(values: dict[str, Any]) -> str:
    """Returns what a point of a sweep is called, such as ``task.disc_weight=10 seed=0``."""
    from electralab.comparing.settings import show

    return " ".join(f"{key}={show(value)}" for key, value in values.items())


def words_of(flags: argparse.Namespace) -> list[str]:
    """Returns what to type for a sweep to be the same again, after the name of the command.

    Args:
        flags: What `cli.parse_flags` read.
    """
    options = [(f"--config-{kind}", getattr(flags, f"config_{kind}")) for kind in _OPTIONS]
    given = [word for name, value in options if value for word in (name, value)]
    return ["-m", *given, *flags.overrides]


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


def _share_a_name(composed: Composition, points: Sequence[Point] | None = None) -> None:
    """Gives the runs of a sweep one name where theirs follow from what is swept, as the task.

    Args:
        composed: The sweep.
        points: Those to name; none: all of it.
    """
    names = {str(point.container.get("name")) for point in composed.points if point.container}
    names |= {str(point.container.get("name")) for point in points or ()}
    name = composed.common.get("name")
    if not composed.multirun or len(names) < 2 or not isinstance(name, str):
        return
    for point in composed.points if points is None else points:
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
