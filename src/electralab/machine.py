"""What this machine lends to the process."""

from __future__ import annotations

import os

_jobs = 1  # that share the cores


def share(jobs: int) -> None:
    """Says that so many jobs run beside each other, this process being one of them."""
    global _jobs
    _jobs = jobs


def cores() -> int:
    """Returns how many cores this process may use, its share if others run beside it."""
    return max(1, _all() // _jobs)


def _all() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
