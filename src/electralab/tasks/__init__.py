"""What can be trained; a task is one class, its YAML in `conf/task/` and its test."""

from __future__ import annotations

import importlib

_TASKS = {
    "rtd": "rtd:ReplacedTokenDetection",
    "mlm": "mlm:MaskedLanguageModelling",
    "classification": "classification:Classification",
    "translation": "translation:Translation",
}


def task_class(name: str) -> type:
    """Returns the class of a task of `conf/task/`; the others are not imported."""
    module, _, cls = _TASKS[name].partition(":")
    return getattr(importlib.import_module(f"electralab.tasks.{module}"), cls)
