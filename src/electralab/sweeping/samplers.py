"""How a search chooses a point: Optuna's samplers, and CMA-ES without its pickles.

A sampler is made anew for each trial, from the search's seed and the trial's number, so that a
search which was stopped goes on as it would have gone on.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from electralab.checking.search_checks import Sampler
    from electralab.command.space import Dimension

GENERATION = "generation"  # of CMA-ES, an attribute of a trial


def seed_of(seed: int | None, number: int) -> int | None:
    """Returns the seed of one trial; none: a random one."""
    return (
        None if seed is None else int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    )


def sampler(settings: Sampler, *, number: int, at_once: int) -> BaseSampler:
    """Returns the sampler of one trial.

    Args:
        settings: Of the search; CMA-ES leaves to this what has no order.
        number: Of the trial.
        at_once: How many trials are chosen before their values are known.
    """
    seed = seed_of(settings.seed, number)
    if settings.name != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            seed=seed,
            n_startup_trials=settings.n_startup_trials,
            constant_liar=at_once > 1,  # trials of one batch keep away from one another
        )


class Chosen(BaseSampler):
    """Takes values that are known, and leaves the others to another sampler.

    Args:
        values: By key.
        others: Samples what is not among them.
    """

    def __init__(self, values: Mapping[str, Any], others: BaseSampler) -> None:
        self._values = values
        self._others = others

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Returns nothing: each key is sampled by itself."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns nothing, likewise."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Returns the value of a key."""
        if name in self._values:
            return self._values[name]
        return self._others.sample_independent(study, trial, name, distribution)


def evolve(
    trials: Sequence[FrozenTrial], space: Sequence[Dimension], *, seed: int | None, sign: int
) -> tuple[dict[str, Any], int]:
    """Asks CMA-ES (Hansen & Ostermeier 2001) for a point.

    Its state is a function of what was found, by which it is made again each time: Optuna's own
    sampler keeps it as a pickle in the database, which would run code of whoever can write there.

    Args:
        trials: Those that have a value, in order.
        space: The dimensions that are numbers.
        seed: Of this point.
        sign: 1 if less is better, else -1.

    Returns:
        A value a key, and the generation that it belongs to.
    """
    import cmaes

    size = len(space)
    strategy = cmaes.CMA(
        mean=np.full(size, 0.5),
        sigma=1 / 6,  # as Optuna has it: three of them reach from the middle to the bounds
        bounds=np.tile([0.0, 1.0], (size, 1)),
        seed=seed,
    )
    while True:
        told = [
            (np.array([_to_unit(one, trial.params[one.key]) for one in space]), sign * trial.value)
            for trial in trials
            if trial.user_attrs.get(GENERATION) == strategy.generation
        ]
        if len(told) < strategy.population_size:
            break
        strategy.tell(told[: strategy.population_size])
    point = strategy.ask()
    values = {one.key: _from_unit(one, x) for one, x in zip(space, point, strict=True)}
    return values, strategy.generation


def _bounds(one: Dimension) -> tuple[float, float]:
    """Returns the ends of a dimension on its scale; of steps, each has as much room."""
    half = (one.step or one.whole) / 2
    low, high = one.low - half, one.high + half
    return (math.log(low), math.log(high)) if one.log else (low, high)


def _to_unit(one: Dimension, value: float) -> float:
    low, high = _bounds(one)
    return ((math.log(value) if one.log else value) - low) / ((high - low) or 1)


def _from_unit(one: Dimension, x: float) -> float | int:
    low, high = _bounds(one)
    value = low + float(x) * (high - low)
    value = math.exp(value) if one.log else value
    if step := one.step or one.whole:
        value = one.low + round((value - one.low) / step) * step
    value = min(max(value, one.low), one.high)
    return int(value) if one.whole else value
