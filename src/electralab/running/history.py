"""What a run has logged, step by step, whether it came to its end or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from electralab import untrusted
from electralab.running import checkpoints
from electralab.running import folder as files


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Returns the Trainer's logs; those up to the newest checkpoint where the run left no more.

    Args:
        folder: The run's.
    """
    found: Any = None
    try:
        found = untrusted.read_json(folder / files.HISTORY)
    except (OSError, ValueError):
        for checkpoint in checkpoints.newest_first(folder / files.CHECKPOINTS)[:1]:
            found = files.read_json(checkpoint / checkpoints.STATE).get("log_history")
    return [logs for logs in found if isinstance(logs, dict)] if isinstance(found, list) else []
