"""What a search may choose: the swept keys of a command as dimensions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
    Sweep,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

POINTS = 10_000  # of a grid
CORNERS = 64  # combinations of extremes that are all checked; of more, each extreme once


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A key that a search sets: one of its choices, or a number.

    Attributes:
        key: As typed.
        word: What stands before the ``=`` of its overrides, in Hydra's words.
        space: Its values, as typed.
        choices: The texts of its values; of numbers, those that can be listed, or none.
        low: The least number.
        high: The greatest number, which is included.
        step: Between two numbers; none: all in between.
        whole: Whole numbers alone.
        log: Whether a factor counts rather than a difference.
    """

    key: str
    word: str
    space: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    whole: bool = False
    log: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it has an order, and a middle."""
        return self.low is not None

    @property
    def extremes(self) -> tuple[str, ...]:
        """Every choice, or the least and the greatest number."""
        if self.low is None:
            return self.choices
        return tuple(dict.fromkeys((self.text(self.low), self.text(self.high))))

    def text(self, value: Any) -> str:
        """Returns a value, as `suggest` gives it, as one types it."""
        if self.low is None:
            return value
        return repr(int(value) if self.whole else float(f"{value:.12g}" if self.step else value))

    def value(self, text: str) -> Any:
        """Undoes `text`."""
        if self.low is None:
            return text
        return int(text) if self.whole else float(text)

    def suggest(self, trial: Any) -> Any:
        """Lets a trial of Optuna choose a value; of one that it has chosen, returns it."""
        if self.low is None:
            return trial.suggest_categorical(self.key, self.choices)
        suggest = trial.suggest_int if self.whole else trial.suggest_float
        steps = {} if self.step is None else {"step": self.step}
        return suggest(self.key, self.low, self.high, log=self.log, **steps)


def sweep_fault(value: Any) -> str | None:
    """Says what a value, as Hydra parsed it, must be to be swept; nothing if it can."""
    if _holds_a_sweep(value):
        return "must be swept as a whole, such as choice([1,2],[1,3])"
    if isinstance(value, RangeSweep) and not (value.step and _size(value) < math.inf):
        return "must be a range from one number to another in steps other than 0"
    if isinstance(value, (ChoiceSweep, RangeSweep)) and _size(value) > POINTS:
        return f"must have at most {POINTS:,} values"
    return None


def too_many(swept: Iterable[Override]) -> str | None:
    """Returns the problem of a grid that nobody could run, nor even compose."""
    points = math.prod(_size(item._value) for item in swept)
    if points <= POINTS:
        return None
    return (
        f"`-m` must make at most {POINTS:,} points, but these make {points:,}; sweep fewer values, "
        "or search with hydra/sweeper=optuna."
    )


def is_empty(item: Override) -> bool:
    """Says whether there is nothing to try, as in ``range(3,1)``."""
    return item.is_sweep_override() and not [*item.sweep_string_iterator()]


def _size(value: Any) -> float:
    """Returns how many values a sweep has, without listing them; 1 where there is one alone."""
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if not isinstance(value, RangeSweep):
        return 1
    try:
        return max(0, math.ceil((float(value.stop) - float(value.start)) / float(value.step)))
    except (OverflowError, ValueError):  # endless, or not a number
        return math.inf


def _holds_a_sweep(value: Any) -> bool:
    """Says whether there is a sweep inside of a value, as in ``[choice(1,2),3]``."""
    inner = value.list if isinstance(value, ChoiceSweep) else value
    if isinstance(inner, dict):
        inner = list(inner.values())
    return isinstance(inner, list) and any(
        isinstance(one, Sweep) or _holds_a_sweep(one) for one in inner
    )


def dimensions(swept: Mapping[str, Override], *, listed: bool) -> tuple[list[Dimension], list[str]]:
    """Reads the swept overrides of a search.

    Args:
        swept: As Hydra parsed them, by their keys as typed.
        listed: Every value is wanted, so that there may be no interval.

    Returns:
        A dimension for each that can be searched, and a line for each that cannot.
    """
    found, problems = [], []
    for key, item in swept.items():
        typed = item.input_line.partition("=")[2]
        try:
            one = Dimension(key=key, word=item.get_key_element(), space=typed, **_values(item))
            if listed and not one.choices:
                raise ValueError("must be a choice or a range for a grid")
            found.append(one)
        except ValueError as error:
            problems.append(f"`{key}` {error}, but is {typed} instead.")
    if not swept:
        problems.append("`hydra/sweeper=optuna` needs a swept key, such as seed=range(1,10).")
    return found, problems


def _values(item: Override) -> dict[str, Any]:
    value = item.value()
    if isinstance(value, IntervalSweep):
        return _interval(value)
    texts = tuple(dict.fromkeys(item.sweep_string_iterator()))
    if not texts:
        raise ValueError("must leave a value to choose")
    is_range = isinstance(value, RangeSweep) and not value.shuffle
    return _range(value) if is_range else {"choices": texts}


def _range(value: RangeSweep) -> dict[str, Any]:
    if "log" in value.tags:
        raise ValueError("must be an interval to be tagged with log")
    numbers = [*value.range()]  # Hydra's, without the stop
    whole = all(isinstance(number, int) for number in numbers)
    if not whole:  # where 0.1 + 0.2 is 0.3
        numbers = [float(f"{number:.12g}") for number in numbers]
    found = {"choices": tuple(map(repr, numbers)), "low": min(numbers), "high": max(numbers)}
    return found | {"step": abs(value.step), "whole": whole}


def _interval(value: IntervalSweep) -> dict[str, Any]:
    low, high = value.start, value.end
    log = "log" in value.tags
    if low > high:
        raise ValueError("must begin with its least value")
    if log and low <= 0:
        raise ValueError("must be above 0 to be tagged with log")
    whole = isinstance(low, int) and isinstance(high, int)
    return {"low": low, "high": high, "whole": whole, "log": log}


def corners(space: Sequence[Dimension]) -> list[tuple[str, ...]]:
    """Returns points whose check is a check of the whole space: the texts of their values.

    All combinations of extremes where they are few; else each extreme once, the others being the
    first or the last.
    """
    extremes = [dimension.extremes for dimension in space]
    number = 1
    for values in extremes:
        number *= len(values)
    if number <= CORNERS:
        combinations: Iterable[Sequence[str]] = itertools.product(*extremes)
    else:
        combinations = dict.fromkeys(
            tuple(value if index == place else others[end] for index, others in enumerate(extremes))
            for place, values in enumerate(extremes)
            for value in values
            for end in (0, -1)
        )
    return [*combinations]


def overrides_of(space: Sequence[Dimension], texts: Sequence[str]) -> list[str]:
    """Returns the overrides of a point, in Hydra's words."""
    return [f"{one.word}={text}" for one, text in zip(space, texts, strict=True)]


def grid(space: Sequence[Dimension]) -> list[tuple[str, ...]]:
    """Returns the texts of every combination; none of the dimensions is an interval."""
    return [*itertools.product(*(dimension.choices for dimension in space))]
