"""What a sweep is: its identity, its folder and its points."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.checking.signature import settings, signature, sources
from electralab.tracking.redaction import without_secrets

if TYPE_CHECKING:
    from electralab.command.points import Checked, CheckedPoint
    from electralab.config import Chain, Config

PREFIX = "sweep-"  # of a sweep's folder, before its id


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """One job of a sweep.

    Attributes:
        signature: Names its folder.
        values: Of the swept keys.
        overrides: What makes it, as typed.
        config: What it comes to.
    """

    signature: str
    values: dict[str, Any]
    overrides: list[str]
    config: Config | Chain


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep as a command asks for it.

    Attributes:
        sweep_id: 8 hexadecimal digits of its name and its configuration without the swept keys.
        folder: Where its jobs lie.
        swept: Its swept keys, in the order typed.
        points: Its jobs, each once; a search adds them as it chooses them.
        repeated: Points that were typed twice.
        words: The words of the command.
        config: That of the first point, for what all have in common.
        space: Of a search, what was typed for each swept key.
    """

    sweep_id: str
    folder: Path
    swept: list[str]
    points: list[Point]
    repeated: int
    words: list[str]
    config: Config | Chain
    space: dict[str, str]


def plan(command: Checked, words: list[str]) -> Sweep:
    """Says what a checked sweep is.

    Args:
        command: A sweep with at least one point.
        words: Of the command, for the record.
    """
    points: dict[str, Point] = {}
    for found in [] if command.search else command.points:
        point = as_point(found)
        points.setdefault(point.signature, point)
    swept = list(dict.fromkeys(key for point in command.points for key in point.values))
    first = command.points[0].config
    sweep_id = identity(command.common, swept=swept, name=first.name)
    return Sweep(
        sweep_id=sweep_id,
        folder=Path(first.output_dir).absolute() / first.name / f"{PREFIX}{sweep_id}",
        swept=swept,
        points=list(points.values()),
        repeated=0 if command.search else len(command.points) - len(points),
        words=without_secrets(words),
        config=first,
        space={one.key: one.space for one in command.search.space} if command.search else {},
    )


def as_point(found: CheckedPoint) -> Point:
    """Returns a checked point as a job of a sweep."""
    return Point(
        signature=signature(found.config),
        values=found.values,
        overrides=found.overrides,
        config=found.config,
    )


def identity(common: dict[str, Any], *, swept: list[str], name: str) -> str:
    """Returns 8 hexadecimal digits of what a sweep is, however many of its points are asked for.

    Args:
        common: Its configuration without the swept keys, plain; left as it is.
        swept: The swept keys; where one is a group, the whole group is left out.
        name: Of its runs.
    """
    from electralab import config

    kept = copy.deepcopy(common)
    for key in swept:
        *path, last = key.split(".")
        node: Any = kept
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    found, _ = config.inspect(copy.deepcopy(common))
    content = [name, sorted(swept), settings(kept), sources(found)]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
