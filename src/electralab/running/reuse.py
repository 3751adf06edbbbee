"""Runs that are done once, however many commands ask for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.checking.signature import signature
from electralab.running import folder as files
from electralab.running.part import Link
from electralab.running.resuming import AUTO, is_finished, is_trained

if TYPE_CHECKING:
    from electralab.config import Config


def find_finished(config: Config) -> dict[str, Any] | None:
    """Returns the summary of the newest finished run of the same signature.

    Args:
        config: A checked configuration.
    """
    folders = Path(config.output_dir, config.name).glob(f"*-{signature(config)}*")
    for folder in sorted(folders, key=lambda path: path.name, reverse=True):
        if is_finished(folder) and is_trained(folder):
            summary = json.loads((folder / files.SUMMARY).read_text(encoding="utf-8"))
            return {**summary, "folder": str(folder.absolute())}
    return None


def run_once(
    config: Config,
    overrides: list[str],
    *,
    title: str,
    link: Link,
    stages: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Runs a configuration, goes on with it where it was stopped, or takes it from before.

    Of several processes that ask at once, one runs and the others wait.

    Args:
        config: A checked configuration.
        overrides: What was typed, for the record.
        title: What to call it on the terminal.
        link: Says what it is part of, when it begins.
        stages: In a chain, the stage of each group.

    Returns:
        Its summary, with ``reused``: whether it was there.
    """
    from electralab.run import execute
    from electralab.running.report import say

    with _alone(config, title):
        if found := find_finished(config):
            say(f"{title}: done before, in {found['folder']}")
            return {**found, "reused": True}
        say("", title)
        resumed = config.model_copy(update={"resume": AUTO})
        return {**execute(resumed, overrides, link=link, stages=stages), "reused": False}


@contextmanager
def _alone(config: Config, title: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    from electralab.running.report import say

    locks = Path(config.output_dir, files.CACHE, "locks")
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{config.name}-{signature(config)}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{title}: another process runs it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
