"""`objective`: the metrics that tell which point of a sweep is best, and which way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from electralab.checking.ingredients import moved_by
from electralab.checking.metrics import compared, measured
from electralab.checking.nearest import did_you_mean
from electralab.checking.signature import settings
from electralab.comparing.direction import Direction, direction
from electralab.comparing.results import Objective
from electralab.config import Chain
from electralab.tracking.params import flatten

if TYPE_CHECKING:
    from electralab.config import Config

_DIRECTIONS: dict[str, Direction] = {
    "min": "min",
    "max": "max",
    "minimize": "min",
    "maximize": "max",
}
_IN_WORDS = {"min": "minimize", "max": "maximize"}
# What compares runs fairly by task, the most telling first.
_DEFAULTS = {
    "rtd": ("probe_auc", "disc_auc", "mlm_loss"),
    "mlm": ("loss", "accuracy"),
    "single_label": ("accuracy", "f1", "loss"),
    "multi_label": ("f1", "accuracy", "loss"),
    "regression": ("pearson", "spearman", "loss"),
    "translation": ("bleu", "chrf", "loss"),
}
_BOUNDS = ("_low", "_high", "_rate", "_length")  # of intervals, and what is neither good nor bad


def objective_problems(config: Config | Chain) -> Iterator[str]:
    """Yields a line for everything in `objective` that no run of this configuration gives.

    Args:
        config: A typed configuration.
    """
    names, metrics = measured(config), []
    whose = "chain" if isinstance(config, Chain) else "run"
    for word in _words(config.objective):
        metric, colon, way = word.partition(":")
        metrics.append(metric)
        if metric not in names:
            own = f"finetune.{metric}"
            near = f"; did you mean `{own}`?" if own in names else did_you_mean(metric, names)
            yield (
                f"`objective` must be a metric that the {whose} gives, but is {metric!r} instead"
                f"{near}"
            )
        if colon and way not in _DIRECTIONS:
            yield (
                f"`objective` must end in :min or :max, but is {word!r} instead; without either "
                "the name of the metric decides."
            )
    twice = next((metric for metric in metrics if metrics.count(metric) > 1), None)
    if twice is not None:
        yield f"`objective` must name each metric once, but names {twice} more than once."


def parse(objective: str | Sequence[str] | None) -> list[Objective]:
    """Reads an `objective` without problems.

    >>> parse(["eval_loss", "eval_mlm_loss:max"])[1]
    Objective(metric='eval_mlm_loss', direction='max')
    """
    found = []
    for word in _words(objective):
        metric, _, way = word.partition(":")
        found.append(Objective(metric, _DIRECTIONS.get(way) or direction(metric)))
    return found


def of_sweep(
    configs: Sequence[Config | Chain],
    *,
    swept: Sequence[str],
    direction: str | Sequence[str] | None = None,
    is_search: bool = False,
) -> tuple[list[Objective], list[str]]:
    """Says what the runs of a sweep are judged by.

    Args:
        configs: Of its points, without problems of their own; of a search, of its corners.
        swept: The swept keys.
        direction: What Hydra's own key says.
        is_search: Whether the values choose the points, so that there must be one.

    Returns:
        The metrics and their directions, of which the first ranks; those of the task where none is
        named; none where nothing compares the runs. And a line for each that does not.
    """
    runs = _Runs(configs)
    named = parse(configs[0].objective)
    if not named:
        found = defaults(configs[0])
        found = [name for name in found if not runs.moved(name)] or (found if is_search else [])
        named = parse(found[:1])
        if is_search and not named:
            return [], [_NOTHING_HELD_OUT]
    problems = [line for one in named if (line := runs.refusal(one.metric, swept=swept))]
    return named, [*problems, *_contradicted(named, direction)]


def defaults(config: Config | Chain) -> list[str]:
    """Returns the metrics that compare runs fairly, the most telling first.

    Args:
        config: Of a run, whose validation split is asked before its test split; or of a chain, of
            which the end is what counts.
    """
    if isinstance(config, Chain):
        kind, prefixes = config.finetune.task.problem, ("finetune.test_", "finetune.eval_")
    else:
        kind = getattr(config.task, "problem", config.task.name)
        prefixes = ("eval_", "test_")
    names = measured(config)
    found = [f"{prefix}{name}" for prefix in prefixes for name in _DEFAULTS[kind]]
    return [name for name in found if name in names]


_NOTHING_HELD_OUT = (
    "`data.split.validation` must be a share or a file for a search, which needs something to "
    "judge its points by, but is null instead."
)


def _words(objective: str | Sequence[str] | None) -> list[str]:
    return [objective] if isinstance(objective, str) else list(objective or [])


class _Runs:
    """The runs of a sweep, and the settings that they do not have in common."""

    def __init__(self, configs: Sequence[Config | Chain]) -> None:
        self._first = configs[0]
        self._runs = [compared(one) if isinstance(one, Chain) else one for one in configs]
        flat = [flatten(settings(run.model_dump())) for run in self._runs]
        keys = dict.fromkeys(key for one in flat for key in one)
        self._differing = [
            key for key in keys if any(one.get(key) != flat[0].get(key) for one in flat)
        ]

    def moved(self, metric: str) -> tuple[str, list[str]] | None:
        """Returns what moves a metric besides the models, and the keys; none: nothing does."""
        prefix, _, name = metric.rpartition(".")[2].partition("_")
        split = "test" if prefix == "test" else "validation"
        found = moved_by(name, self._runs, split=split, differing=self._differing)
        if found and isinstance(self._first, Chain):
            return found[0], [f"finetune.{key}" for key in found[1]]
        return found

    def refusal(self, metric: str, *, swept: Sequence[str]) -> str | None:
        """Returns a line if a metric does not compare the runs."""
        found = self.moved(metric)
        if found is None:
            return None
        because, keys = found
        keys = [key for key in keys if key in swept] or keys[:1]
        several = len(keys) > 1
        fair = self._instead(metric)
        them = "them" if several else "it"
        return (
            f"`objective` must be comparable across the sweep, but {metric} {because} "
            f"{' and '.join(f'`{key}`' for key in keys)}, which {'are' if several else 'is'} "
            f"{'swept' if keys[0] in swept else 'not the same in all points'}; "
            f"{f'choose {fair}' if fair else f'leave {them} out of the sweep'}."
        )

    def _instead(self, metric: str) -> str:
        """Names metrics of the same split that compare the runs."""
        prefix = metric[: -len(metric.rpartition(".")[2].partition("_")[2])]
        names = [*defaults(self._first), *measured(self._first)]
        fair = [
            name
            for name in dict.fromkeys(names)
            if name.startswith(prefix) and not name.endswith(_BOUNDS) and not self.moved(name)
        ]
        return " or ".join(fair[:2])


def _contradicted(named: Sequence[Objective], given: str | Sequence[str] | None) -> Iterator[str]:
    """Yields a line if Hydra's own key says another direction than `objective` does."""
    ways = [given] if isinstance(given, str) else list(given or [])
    wanted = [_IN_WORDS[objective.direction] for objective in named]
    if not ways or [_DIRECTIONS.get(way) for way in ways] == [one.direction for one in named]:
        return
    shown = wanted[0] if len(wanted) == 1 else f"[{','.join(wanted)}]"
    yield (
        f"`hydra.sweeper.direction` must be null or {shown}, as `objective` is "
        f"{', '.join(one.metric for one in named)}, but is {', '.join(map(str, ways))} instead; "
        f"objective={named[0].metric}:{'max' if named[0].direction == 'min' else 'min'} turns it "
        "around."
    )
