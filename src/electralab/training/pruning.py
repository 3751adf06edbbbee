"""Stopping a run of a search that does worse than the others did at the same step."""

from __future__ import annotations

import logging
import statistics
from functools import cached_property
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from transformers import TrainerCallback

from electralab.errors import UserError, one_line
from electralab.tracking.redaction import mask

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial

    from electralab.running.part import Pruning

log = logging.getLogger(__name__)
WAIT = 60  # seconds for another process that writes into an SQLite file
AUTO, GRACE = "auto", 5  # auto: the first fifth of a training says nothing of its end


class StopPoorRun(TrainerCallback):
    """Reports each evaluation to the run's trial, and ends the training if the pruner says so.

    It speaks to the database of the search alone, so that the run may be in any process. A step
    that a resumed run measures again keeps the value that it had. A search whose database cannot
    be reached stops no run.

    Args:
        pruning: The trial, and how it is judged.

    Attributes:
        reason: Why the run was stopped, in one line; none: it was not.
    """

    def __init__(self, pruning: Pruning) -> None:
        self.reason: str | None = None
        self._pruning = pruning
        self._training = False
        self._steps = 0  # of the whole training

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What is evaluated before and after the training is no trial's business."""
        self._training = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Likewise."""
        self._training = False

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Reports and asks; a run that has reached its end is not stopped."""
        value = (metrics or {}).get(self._pruning.metric)
        if not self._training or value is None or not state.is_world_process_zero:
            return
        self._steps = state.max_steps
        try:
            self.reason = self._judge(state.global_step, value)
        except (StorageInternalError, UserError) as error:
            log.warning("the database of the search cannot be reached: %s", error)
        if state.global_step >= state.max_steps:
            self.reason = None
        control.should_training_stop |= self.reason is not None

    def _judge(self, step: int, value: float) -> str | None:
        """Returns why the run is to be stopped at a step; none: it goes on."""
        study, given = self._study, self._pruning
        trial = _trial(study, given.trial)
        if step not in trial.intermediate_values:
            self._storage.set_trial_intermediate_value(trial._trial_id, step, value)
        if not study.pruner.prune(study, _trial(study, given.trial)):
            return None
        of_the_median = (TrialState.COMPLETE,) if given.pruner["name"] == "median" else None
        others = [
            other.intermediate_values[step]
            for other in study.get_trials(deepcopy=False, states=of_the_median)
            if other.number != given.trial and step in other.intermediate_values
        ]
        reached = f"stopped at step {step}: {given.metric} {value:.4g}"
        if not others:
            return reached
        return f"{reached}, the median of {len(others)} others is {statistics.median(others):.4g}"

    @cached_property
    def _storage(self) -> BaseStorage:
        return open_storage(self._pruning.storage)

    @cached_property
    def _study(self) -> Study:
        return optuna.load_study(
            study_name=self._pruning.study,
            storage=self._storage,
            pruner=make_pruner(self._pruning.pruner, steps=self._steps),
        )


def open_storage(url: str) -> BaseStorage:
    """Opens the database of a search.

    Args:
        url: As SQLAlchemy reads it.

    Raises:
        UserError: It cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments = {"connect_args": {"timeout": WAIT}} if url.startswith("sqlite") else {}
    try:
        return RDBStorage(url, engine_kwargs=arguments)
    except Exception as error:  # of SQLAlchemy, of a driver, or that there is no driver
        raise UserError(
            f"`hydra.sweeper.storage` must be a database that can be used, but {mask(url)} is "
            f"none ({mask(one_line(error))})."
        ) from None


def make_pruner(settings: Any, *, steps: int) -> BasePruner:
    """Returns Optuna's pruner.

    Args:
        settings: The keys of `hydra.sweeper.pruner`.
        steps: Optimiser steps of the training that it judges.
    """
    kind, names = {
        "median": (MedianPruner, ("n_startup_trials", "n_warmup_steps", "interval_steps")),
        "halving": (SuccessiveHalvingPruner, ("min_resource", "reduction_factor")),
    }[settings["name"]]
    grace = max(1, steps // GRACE)
    return kind(**{name: grace if settings[name] == AUTO else settings[name] for name in names})


def _trial(study: Study, number: int) -> FrozenTrial:
    return next(one for one in study.get_trials(deepcopy=False) if one.number == number)
