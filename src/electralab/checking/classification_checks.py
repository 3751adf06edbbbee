"""Checks of `task=classification`: keys that contradict one another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from electralab.checking.rules import Rule, ask
from electralab.data.labels import class_name, declared_names

if TYPE_CHECKING:
    from electralab.task_config import ClassificationConfig

METRICS = {
    "single_label": ("loss", "accuracy", "f1", "precision", "recall", "matthews"),
    "multi_label": ("loss", "accuracy", "f1", "f1_macro", "precision", "recall"),
    "regression": ("loss", "mse", "pearson", "spearman"),
}


def classification_problems(
    task: ClassificationConfig, refused: Collection[str] = ()
) -> Iterator[str]:
    """Yields a line for everything about the task that cannot work.

    Args:
        task: The keys of `task`.
        refused: Keys for which a stand-in is there; what judges them is not asked.
    """
    rules: list[Rule] = [
        (("task.problem", "task.labels"), _labels(task)),
        (("task.problem", "task.labels", "task.average"), _average(task)),
        (("task.problem", "task.labels", "task.class_weights"), _weights(task)),
        (("task.freeze_encoder", "task.layer_decay"), _rates(task)),
    ]
    yield from ask(rules, refused=refused)


def unfit(task: ClassificationConfig, classes: Sequence[str]) -> Iterator[str]:
    """Yields a line for every key that the classes do not fit, once the data has told them.

    Args:
        task: The keys of `task`; its problem is no regression.
        classes: Their names.
    """
    number = len(classes)
    if task.average == "binary" and number != 2:
        yield (
            "`task.average` must be macro or null where there are not two classes, but is binary "
            f"instead, and there are {number}."
        )
    weights = task.class_weights
    if weights not in (None, "balanced") and len(weights) != number:
        yield (
            f"`task.class_weights` must have a weight for each of the {number} classes, but has "
            f"{len(weights)} instead."
        )


def _labels(task: ClassificationConfig) -> Iterator[str]:
    if task.labels is None:
        return
    if task.problem == "regression":
        yield (
            "`task.labels` must be null with task.problem=regression, which has scores, but is "
            f"{task.labels} instead."
        )
    names = [class_name(label) for label in task.labels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        yield f"`task.labels` must have each label once, but has {twice!r} more than once."
    if "" in names:
        yield "`task.labels` must have no empty label: an example without one is dropped."
    if task.problem == "multi_label":
        for name in declared_names(task.labels):
            if task.label_separator in name:
                yield (
                    f"`task.labels` must not have the separator {task.label_separator!r} in a "
                    f"label, but has {name!r}; choose another `task.label_separator`."
                )
                return


def _average(task: ClassificationConfig) -> Iterator[str]:
    if task.average is None:
        return
    if task.problem != "single_label":
        yield (
            f"`task.average` must be null with task.problem={task.problem}, but is {task.average} "
            "instead."
        )
    elif task.average == "binary" and task.labels is not None and len(task.labels) != 2:
        yield (
            "`task.average` must be macro or null where there are not two classes, but is binary "
            f"instead, and `task.labels` has {len(task.labels)}."
        )


def _weights(task: ClassificationConfig) -> Iterator[str]:
    weights = task.class_weights
    if weights is None:
        return
    if task.problem != "single_label":
        yield (
            f"`task.class_weights` must be null with task.problem={task.problem}, but is {weights} "
            "instead."
        )
        return
    if weights == "balanced":
        return
    if min(weights) <= 0:
        yield f"`task.class_weights` must all be above 0, but are {weights} instead."
    if task.labels is not None and len(weights) != len(task.labels):
        yield (
            f"`task.class_weights` must have a weight for each of the {len(task.labels)} classes "
            f"of `task.labels`, but has {len(weights)} instead."
        )


def _rates(task: ClassificationConfig) -> Iterator[str]:
    if task.freeze_encoder and task.layer_decay != 1:
        yield (
            "`task.layer_decay` must be 1 with task.freeze_encoder=true, where no layer learns, "
            f"but is {task.layer_decay} instead."
        )
