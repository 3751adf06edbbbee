"""What can be trained; a task is one class, its YAML in `conf/task/` and its test."""

from __future__ import annotations


def task_class(name: str) -> type:
    """Returns the class of a task of `conf/task/`."""
    from electralab.tasks.rtd import ReplacedTokenDetection

    return {"rtd": ReplacedTokenDetection}[name]
