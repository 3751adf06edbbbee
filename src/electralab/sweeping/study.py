"""An Optuna study whose trials are jobs of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from electralab.errors import UserError
from electralab.sweeping import samplers
from electralab.tracking.redaction import mask_text
from electralab.training.pruning import open_storage

if TYPE_CHECKING:
    from electralab.checking.search_checks import Search
    from electralab.command.space import Dimension
    from electralab.comparing.results import Objective

REASON, RETRIES = "reason", "retries"  # attributes of a trial
OBJECTIVE = "objective"  # of the study
_WAYS = {"min": "minimize", "max": "maximize"}


class SearchStudy:
    """The trials of a search, as its database has them.

    Args:
        settings: Of the search.
        space: Its dimensions.
        objective: What a trial is judged by.
        url: Of the database.
        name: Of the study.

    Raises:
        UserError: The database cannot be used, or holds a study of something else.
    """

    def __init__(
        self,
        *,
        settings: Search,
        space: Sequence[Dimension],
        objective: Sequence[Objective],
        url: str,
        name: str,
    ) -> None:
        self._settings = settings
        self._space = space
        self._study = optuna.create_study(
            study_name=name,
            storage=open_storage(url),
            directions=[_WAYS[one.direction] for one in objective],
            load_if_exists=True,
        )
        self._check([f"{one.metric}:{one.direction}" for one in objective])
        self._open: dict[int, Trial] = {}

    def _check(self, objective: list[str]) -> None:
        known = self._study.user_attrs.get(OBJECTIVE)
        if known is None:
            self._study.set_user_attr(OBJECTIVE, objective)
        elif known != objective:
            raise UserError(
                f"`objective` must be {', '.join(known)}, as of the trials that the study "
                f"{self._study.study_name} has, but is {', '.join(objective)} instead; choose "
                "another hydra.sweeper.study_name to begin anew."
            )
        for one in self._space:
            wanted = _described(() if one.is_number else one.choices, one.whole, one.log)
            for trial in self.trials:
                found = trial.distributions.get(one.key)
                if found is not None and (known := _of_distribution(found)) != wanted:
                    raise UserError(
                        f"`{one.key}` must be {known}, as in the trials that the study "
                        f"{self._study.study_name} has, but is {wanted} instead; choose another "
                        "hydra.sweeper.study_name to begin anew."
                    )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self._study.get_trials(deepcopy=False)

    @property
    def counted(self) -> list[FrozenTrial]:
        """The trials that count: all but those that another one has tried again."""
        again = {trial.user_attrs.get(RETRIES) for trial in self.trials}
        return [trial for trial in self.trials if trial.number not in again]

    def stopped(self) -> list[int]:
        """Returns the trials under which a process ended, for them to go on."""
        found = [trial for trial in self.trials if trial.state == TrialState.RUNNING]
        for trial in found:
            self._open[trial.number] = Trial(self._study, trial._trial_id)
        return [trial.number for trial in found]

    def ask(self, texts: Sequence[str] | None = None, *, retries: int | None = None) -> int:
        """Begins a trial; returns its number.

        Args:
            texts: Its values; none: the sampler chooses.
            retries: The failed trial that it stands for.
        """
        generation = None
        if texts is None:
            generation = self._choose(len(self.trials))
        else:
            values = {
                one.key: one.value(text) for one, text in zip(self._space, texts, strict=True)
            }
            self._study.sampler = samplers.Chosen(values, optuna.samplers.RandomSampler())
        trial = self._study.ask()
        self._open[trial.number] = trial
        if retries is not None:
            trial.set_user_attr(RETRIES, retries)
        self._suggest(trial, generation)
        return trial.number

    def texts(self, number: int) -> tuple[str, ...]:
        """Returns the values of a trial as one types them; none of a trial over other keys.

        Args:
            number: Of a trial; one that is not finished chooses now what it has not chosen.
        """
        if (trial := self._open.get(number)) is not None:
            known = [one for one in self._space if one.key in trial.params]
            generation = None
            if len(known) < len(self._space):
                generation = self._choose(number)
                frozen = self.trials[number]
                for one in known:  # drawn again, for the others to be as they would have been
                    distribution = trial.distributions[one.key]
                    self._study.sampler.sample_independent(
                        self._study, frozen, one.key, distribution
                    )
            return self._suggest(trial, generation)
        params = self.trials[number].params
        if any(one.key not in params for one in self._space):
            return ()
        return tuple(one.text(params[one.key]) for one in self._space)

    def note(self, number: int, name: str, value: str) -> None:
        """Keeps an attribute of a trial that is not finished."""
        self._open[number].set_user_attr(name, value)

    def tell(self, number: int, values: Sequence[float]) -> None:
        """Finishes a trial with the values of its objective."""
        self._study.tell(self._open.pop(number), values=[*values])

    def fail(self, number: int, reason: str) -> None:
        """Finishes a trial that has no values."""
        self.note(number, REASON, mask_text(reason))
        self._study.tell(self._open.pop(number), state=TrialState.FAIL)

    def prune(self, number: int, reason: str) -> None:
        """Finishes a trial that was stopped early."""
        self.note(number, REASON, reason)
        self._study.tell(self._open.pop(number), state=TrialState.PRUNED)

    def _suggest(self, trial: Trial, generation: int | None) -> tuple[str, ...]:
        if generation is not None:  # noted first, for a trial without it teaches nothing
            trial.set_user_attr(samplers.GENERATION, generation)
        return tuple(one.text(one.suggest(trial)) for one in self._space)

    def _choose(self, number: int) -> int | None:
        """Makes the sampler of a trial; returns the generation that its point is of, if any."""
        settings = self._settings.sampler
        found = samplers.sampler(settings, number=number, at_once=self._settings.n_jobs)
        generation = None
        if settings.name == "cmaes":
            trials = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
            numbers = [one for one in self._space if one.is_number]
            sign = 1 if self._study.direction == StudyDirection.MINIMIZE else -1
            seed = samplers.seed_of(settings.seed, number)
            values, generation = samplers.evolve(trials, numbers, seed=seed, sign=sign)
            found = samplers.Chosen(values, found)
        self._study.sampler = found
        return generation


def _of_distribution(found: BaseDistribution) -> str:
    whole = isinstance(found, IntDistribution)
    return _described(getattr(found, "choices", ()), whole, getattr(found, "log", False))


def _described(choices: Sequence[str], whole: bool, log: bool) -> str:
    """Says what a dimension is to Optuna, which cannot change within a study."""
    if choices:
        return f"one of {', '.join(choices)}"
    return f"{'a whole number' if whole else 'a number'}{' on a logarithmic scale' if log else ''}"
