"""One run: Hydra composes and launches it, and what goes wrong becomes one line."""

from __future__ import annotations

import os
import traceback
from typing import Any

from electralab import processes
from electralab.errors import UserError, one_line


def run(composed: Any) -> int:
    """Runs the configuration that Hydra composed, and says what is wrong instead of raising it.

    Args:
        composed: Without Hydra's own node.

    Returns:
        The exit status.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from electralab.command.words import as_typed

    try:
        from electralab.config import Chain, validate

        config = validate(OmegaConf.to_container(composed, resolve=True))
        if isinstance(config, Chain):
            from electralab.running.chain import execute
        else:
            from electralab.run import execute
        execute(config, as_typed(list(HydraConfig.get().overrides.task)))
    except UserError as error:
        status, reasons = error.exit_status, error.problems
    except Exception as error:
        status, reasons = 1, [describe(error)]
    else:
        return 0
    processes.complain(reasons)
    return status


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


def launch(overrides: list[str], *, path: Any, config_name: str | None) -> int:
    """Runs one configuration through Hydra.

    Args:
        overrides: As typed.
        path: Hydra's search path.
        config_name: Name of the primary configuration.

    Returns:
        The exit status of the command.
    """
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra

    from electralab.command.compose import CONFIG_NAME
    from electralab.command.words import opened

    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("electralab", path)
    given = [word for word in overrides if not word.lstrip("+").startswith("hydra.mode=")]
    try:
        return hydra.run(
            config_name=config_name or CONFIG_NAME,
            overrides=[*opened(given), "hydra.mode=RUN"],
            task_function=run,
        ).return_value
    finally:
        GlobalHydra.instance().clear()
