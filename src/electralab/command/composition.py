"""What a command means, once it is composed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from electralab.command.space import Dimension


@dataclass
class Point:
    """One configuration of a command: plain, resolved, without the node `hydra`.

    Attributes:
        overrides: What makes it, as typed.
        container: Nested mappings; an unset value is ``???``.
        problems: For each key that could not be resolved or must not be there, and for each
            override that cannot be used, a line.
        values: Of the swept keys; a group has its option's name.
    """

    overrides: list[str]
    container: dict[str, Any]
    problems: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Composition:
    """What a command means.

    Attributes:
        multirun: A sweep rather than one run.
        points: Its configurations, in order; equal ones are all there.
        problems: Everything that is wrong with composing, a line each.
        common: The configuration without the swept keys, plain; of a sweep alone.
        sweeper: Hydra's settings of the sweeper, plain.
        space: What a search may choose, whose points are the corners of this; of a grid, nothing.
    """

    multirun: bool
    points: list[Point]
    problems: list[str]
    common: dict[str, Any] = field(default_factory=dict)
    sweeper: dict[str, Any] = field(default_factory=dict)
    space: list[Dimension] = field(default_factory=list)
