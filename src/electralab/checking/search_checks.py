"""`hydra/sweeper=optuna`: the settings of a search, typed and checked."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from electralab.checking import schema_errors
from electralab.config import Chain, Seed
from electralab.schema import Count, Section, Size, Text

if TYPE_CHECKING:
    from electralab.config import Config

TARGET = (
    "electralab.sweeping.search.OptunaSearch"  # of `hydra.sweeper`, by which Hydra names a sweeper
)
TRIALS = 20  # where no number is asked for
INSTALL = "pip install 'electralab[optuna]'"
_SQL = ("sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle")

Way = Literal["minimize", "maximize"]
Steps = Annotated[int, Field(ge=0)]


class Sampler(Section):
    """`hydra.sweeper.sampler`: how points are chosen."""

    name: Literal["tpe", "cmaes", "random", "grid"]
    seed: Seed | None = None
    n_startup_trials: Steps = 10


class Pruner(Section):
    """`hydra.sweeper.pruner`: which trials are stopped early."""

    name: Literal["none", "median", "halving"]
    n_startup_trials: Steps = 5
    n_warmup_steps: Literal["auto"] | Steps = "auto"
    interval_steps: Count = 1
    min_resource: Literal["auto"] | Count = "auto"
    reduction_factor: Annotated[int, Field(ge=2)] = 4


class Search(Section):
    """`hydra.sweeper`, of a search."""

    sampler: Sampler
    pruner: Pruner
    n_trials: Size
    n_jobs: Count
    direction: Way | list[Way] | None
    storage: Text | None
    study_name: Text | None
    params: dict[str, Any] | None


class _Hydra(Section):
    sweeper: Search


class _Root(Section):
    hydra: _Hydra


def is_search(sweeper: dict[str, Any]) -> bool:
    """Says whether Hydra's settings of the sweeper are those of a search."""
    return sweeper.get("_target_") == TARGET


def inspect(sweeper: dict[str, Any]) -> tuple[Search | None, list[str]]:
    """Types the settings of a search.

    Args:
        sweeper: Hydra's settings of the sweeper, plain.

    Returns:
        The settings, none where some are wrong; and a line for each that is.
    """
    given = {name: value for name, value in sweeper.items() if name != "_target_"}
    container = {"hydra": {"sweeper": given}}
    try:
        search = _Root.model_validate(container).hydra.sweeper
    except ValidationError as error:
        errors = error.errors(include_url=False)
        return None, [*schema_errors.translate(errors, schema=_Root, container=container).values()]
    return search, [*_problems(search)]


def _problems(search: Search) -> Iterator[str]:
    for package in ("optuna", "cmaes") if search.sampler.name == "cmaes" else ("optuna",):
        if importlib.util.find_spec(package) is None:
            yield f"`hydra/sweeper=optuna` needs {package}, which is not installed; {INSTALL}"
    scheme = (search.storage or "sqlite").partition(":")[0].partition("+")[0]
    if scheme not in _SQL:
        yield (
            f"`hydra.sweeper.storage` must be the URL of a database ({', '.join(_SQL)}), such as "
            f"sqlite:///studies.db, but begins with {scheme!r} instead."
        )


def search_problems(
    search: Search, *, config: Config | Chain, metrics: list[str], numbers: bool
) -> Iterator[str]:
    """Yields a line for everything that keeps a search from working on its runs.

    Args:
        search: Its settings.
        config: Of a point.
        metrics: Of the objective.
        numbers: Whether any dimension is an interval or a range.
    """
    sampler, pruner = search.sampler.name, search.pruner.name
    if sampler == "cmaes" and not numbers:
        yield (
            "`hydra/sweeper/sampler=cmaes` needs a key that is an interval or a range, but all are "
            "choices; choose hydra/sweeper/sampler=tpe."
        )
    if sampler == "cmaes" and len(metrics) > 1:
        yield _one_metric("hydra/sweeper/sampler=cmaes", metrics, "hydra/sweeper/sampler=tpe")
    if pruner == "none" or isinstance(config, Chain):  # which is not pruned
        return
    chosen = f"hydra/sweeper/pruner={pruner}"
    if len(metrics) > 1:
        yield _one_metric(chosen, metrics, "hydra/sweeper/pruner=none")
    for metric in metrics:
        if not metric.startswith("eval_"):
            yield (
                f"`objective` must be measured while a run trains for {chosen}, but {metric} is "
                "measured at the end; choose a metric that begins with eval_."
            )
    if config.trainer.get("eval_strategy", "no") == "no":
        yield (
            f"`trainer.eval_strategy` must be steps or epoch for {chosen}, which judges a run by "
            "its evaluations, but is no instead."
        )


def _one_metric(chosen: str, metrics: list[str], instead: str) -> str:
    return (
        f"`objective` must be one metric for {chosen}, but is {len(metrics)} "
        f"({', '.join(metrics)}); choose one, or {instead}."
    )
