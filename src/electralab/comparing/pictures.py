"""The pictures of a comparison, drawn without a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from electralab.comparing import curves, effects
from electralab.comparing.points import Point, points, signed
from electralab.comparing.results import SEED, Comparison, Objective
from electralab.drawing import fonts, png

_OBJECTIVES = 3  # that get a picture of their own


@dataclass(frozen=True)
class Picture:
    """A picture and what a reader who does not see it is told.

    Attributes:
        name: Of its file, without ending.
        title: In a few words.
        image: The bytes of a PNG file.
    """

    name: str
    title: str
    image: bytes


def draw(comparison: Comparison) -> list[Picture]:
    """Draws what there is to see: the objective over the settings, and the learning curves.

    Of one swept key it is a line with error bars, of two a heat map (a scatter plot where most
    pairs were not run), of more parallel coordinates; seeds count as none. Two objectives get a
    picture of the one over the other. What was not measured is not drawn.
    """
    import matplotlib

    found = points(comparison)
    settings = [key for key in comparison.points_by if key != SEED]
    keys = [key for key in settings if len({_shown(p, key) for p in found}) > 1]
    drawn: list[Picture] = []

    def add(name: str, title: str, make: Callable[..., Any], *arguments: Any) -> None:
        figure = make(*arguments)
        if figure is not None:
            drawn.append(Picture(name, title, png(figure)))

    # A `$` in a name is a dollar sign.
    with matplotlib.rc_context(fonts() | {"text.parse_math": False}):
        for number, objective in enumerate(comparison.objective[:_OBJECTIVES]):
            shown = [point for point in found if signed(point, objective) is not None]
            if shown:
                name = "effect" if number == 0 else f"effect_{number + 1}"
                title = f"{objective.metric} over {_listed(keys) or 'the runs'}"
                add(name, title, _effect(keys, shown), shown, keys, objective, found)
        if len(comparison.objective) > 1:
            first, second = comparison.objective[:2]
            title = f"{first.metric} and {second.metric}"
            add("objectives", title, effects.against, found, first, second)
        names = [objective.metric for objective in comparison.objective[:2]]
        add("curves", "learning curves", curves.draw, found, names)
    return drawn


def _effect(
    keys: Sequence[str], shown: Sequence[Point]
) -> Callable[[Sequence[Point], Sequence[str], Objective, Sequence[Point]], Any]:
    if not keys:
        return effects.runs
    if len(keys) == 1:
        return effects.line
    if len(keys) > 2:
        return effects.parallel
    grid = 1
    for key in keys:
        grid *= len({_shown(point, key) for point in shown})
    return effects.heat_map if len(shown) * 2 >= grid else effects.scatter


def _shown(point: Point, key: str) -> str:
    return repr(point.settings.get(key))


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(keys) if len(keys) < 3 else f"{', '.join(keys[:-1])} and {keys[-1]}"
