"""Whether two runs gave the same numbers and weights, to the bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from electralab.timing import TIMING_METRICS

if TYPE_CHECKING:
    from electralab.rerunning.recorded import Recorded

_POSITION = "step"


def first_difference(before: Recorded, after: Recorded) -> str | None:
    """Returns the first step and metric that differ, or that the weights do; none: all is the same.

    Clock readings are left out. Of a run that was stopped early, what it logged is compared.

    Args:
        before: The run.
        after: Its rerun.
    """
    whole = before.status == "FINISHED"
    then, now = (list(_logs(run.history)) for run in (before, after))
    if not whole:
        now = now[: len(then)]
    for (step, one), (new_step, other) in zip(then, now, strict=False):
        if step != new_step:
            place, alone = min((step, one), (new_step, other), key=lambda found: found[0])
            return f"at step {place}, where {next(iter(alone))} was logged once alone"
        for name in dict.fromkeys([*other, *one]):  # a checkpoint has sorted them
            if (name in one) != (name in other):
                return f"at step {step}, where {name} was logged once alone"
            if repr(one[name]) != repr(other[name]):
                return f"at step {step} in {name}: {other[name]!r} instead of {one[name]!r}"
    if len(then) != len(now):
        step, alone = max(then, now, key=len)[min(len(then), len(now))]
        return f"at step {step}, where {next(iter(alone))} was logged once alone"
    if not whole:
        return None
    for part in ("baseline_metrics", "metrics"):
        if found := _difference(before.summary.get(part), after.summary.get(part)):
            return f"at the {'start' if part == 'baseline_metrics' else 'end'} in {found}"
    for part, name in (("tokenizer_sha256", "tokenizer"), ("weights_sha256", "weights")):
        known = before.summary.get(part)
        if known is not None and known != after.summary.get(part):
            return f"in the final {name}, though all logged metrics are the same"
    return None


def _logs(history: list[dict[str, Any]]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Returns the step and the numbers of each log that has any but clock readings."""
    for logs in history:
        left_out = TIMING_METRICS | {_POSITION}
        if numbers := {name: value for name, value in logs.items() if name not in left_out}:
            yield logs.get(_POSITION, 0), numbers


def _difference(before: Any, after: Any) -> str | None:
    then, now = (found if isinstance(found, Mapping) else {} for found in (before, after))
    for name in dict.fromkeys([*then, *now]):
        if name not in TIMING_METRICS and repr(then.get(name)) != repr(now.get(name)):
            return f"{name}: {now.get(name)!r} instead of {then.get(name)!r}"
    return None
