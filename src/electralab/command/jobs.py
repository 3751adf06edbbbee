"""From composed points to runs: Hydra launches, each job checks once more and runs."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import Any

from electralab.errors import UserError, one_line


@dataclass
class Outcome:
    """How one job ended.

    Attributes:
        overrides: What made it.
        status: Its exit status.
        reasons: A line a problem.
    """

    overrides: list[str]
    status: int = 0
    reasons: list[str] = field(default_factory=list)


class Job:
    """The function that Hydra calls for each point; it reports failures instead of raising them.

    It is sent to other processes and machines by some launchers, so it holds plain values alone.

    Args:
        total: Points of the sweep; none: a single run.
    """

    def __init__(self, *, total: int | None = None) -> None:
        self.total = total
        self.seen: set[str] = set()

    def __call__(self, composed: Any) -> Outcome:
        """Runs one configuration.

        Args:
            composed: The configuration that Hydra composed, without its own node.
        """
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        from electralab.command.compose import as_typed

        hydra = HydraConfig.get()
        outcome = Outcome(as_typed(list(hydra.overrides.task)))
        try:
            from electralab.checking.signature import signature
            from electralab.config import Chain, validate

            config = validate(OmegaConf.to_container(composed, resolve=True))
            sign = signature(config)
            if self.total is not None:
                title = f"[{hydra.job.num + 1}/{self.total}] {' '.join(outcome.overrides)}"
                if sign in self.seen:
                    print(f"{title}: the same as an earlier one, not run again", file=sys.stderr)
                    return outcome
                print(title, file=sys.stderr, flush=True)
            self.seen.add(sign)
            if isinstance(config, Chain):
                from electralab.running.chain import execute
            else:
                from electralab.run import execute
            execute(config, outcome.overrides)
        except UserError as error:
            outcome.status, outcome.reasons = error.exit_status, error.problems
        except Exception as error:
            outcome.status, outcome.reasons = 1, [describe(error)]
        for line in outcome.reasons:
            print(line, file=sys.stderr, flush=True)
        return outcome


def describe(error: Exception) -> str:
    """Says in one line what went wrong inside; the trace goes where it can be found.

    Raises:
        Exception: The error itself, if HYDRA_FULL_ERROR=1 asks for its trace.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    text = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
    folder = getattr(error, "run_folder", None)
    if folder is None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
        return f"{text} ({place}; HYDRA_FULL_ERROR=1 shows the whole trace)"
    return f"{text} (the trace is in {os.path.join(folder, 'run.log')})"


def launch(
    overrides: list[str], *, path: Any, config_name: str | None, multirun: bool, total: int
) -> int:
    """Runs one point or a sweep through Hydra, so that its launchers and sweepers work.

    Args:
        overrides: As typed.
        path: Hydra's search path.
        config_name: Name of the primary configuration.
        multirun: Sweep rather than run once.
        total: Points that were composed.

    Returns:
        The exit status of the command.
    """
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from electralab.command.compose import CONFIG_NAME, opened

    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("electralab", path)
    mode = "hydra.mode=MULTIRUN" if multirun else "hydra.mode=RUN"
    given = [word for word in overrides if not word.lstrip("+").startswith("hydra.mode=")]
    arguments: dict[str, Any] = {
        "config_name": config_name or CONFIG_NAME,
        "overrides": [*opened(given), mode],
    }
    try:
        if not multirun:
            return hydra.run(task_function=Job(), **arguments).return_value.status
        returned = hydra.multirun(task_function=Job(total=total), **arguments)
    finally:
        GlobalHydra.instance().clear()
    return summarise(_outcomes(returned))


def summarise(outcomes: list[Outcome]) -> int:
    """Says again at the end which jobs of a sweep failed, and returns the exit status."""
    failed = [outcome for outcome in outcomes if outcome.status]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} jobs failed:", file=sys.stderr)
    for outcome in failed:
        print(f"  {' '.join(outcome.overrides)}: {'; '.join(outcome.reasons)}", file=sys.stderr)
    return 1 if failed else 0


def _outcomes(returned: Any) -> list[Outcome]:
    if isinstance(returned, list | tuple):
        return [outcome for item in returned for outcome in _outcomes(item)]
    value = getattr(returned, "return_value", None)
    return [value] if isinstance(value, Outcome) else []
