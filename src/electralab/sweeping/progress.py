"""What a person sees of jobs that run in other processes: a line when one starts and ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.command.points import point_name
from electralab.comparing.direction import telling
from electralab.running import folder as files
from electralab.running.report import say
from electralab.sweeping import state
from electralab.timing import TIMING_METRICS

if TYPE_CHECKING:
    from electralab.sweeping.plan import Point

PAUSE = 0.5  # seconds between two looks


@contextmanager
def reported(points: list[Point], sweep: Path, *, metrics: list[str]) -> Iterator[None]:
    """Says how jobs go, by their folders, while others run them.

    Args:
        points: The jobs.
        sweep: The sweep's folder.
        metrics: The objective's, which come first.
    """
    done = threading.Event()
    reporter = _Reporter(points, sweep, metrics)
    thread = threading.Thread(target=reporter.follow, args=(done,), daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Reporter:
    def __init__(self, points: list[Point], sweep: Path, metrics: list[str]) -> None:
        self._metrics = metrics
        self._folders = {point: sweep / point.signature for point in points}
        self._total = len(points)
        self._ended = 0
        self._before = {
            path: _moment(path) for folder in self._folders.values() for path in _watched(folder)
        }
        self._started: set[Path] = set()

    def follow(self, done: threading.Event) -> None:
        """Looks again and again until it is done."""
        while not done.wait(PAUSE):
            self._look()
        self._look()

    def _look(self) -> None:
        for point, folder in list(self._folders.items()):
            name = point_name(point.values)
            if self._is_new(folder / files.SUMMARY):
                self._ended_or_stopped(point, folder, name)
            elif folder not in self._started and (
                self._is_new(folder / files.LOG) or self._is_new(folder / files.IDENTITY)
            ):
                self._started.add(folder)
                say(f"{name}: started")

    def _ended_or_stopped(self, point: Point, folder: Path, name: str) -> None:
        if state.standing(folder) == state.KILLED:  # and perhaps started again by a cluster
            self._started.discard(folder)
            self._before.update((path, _moment(path)) for path in _watched(folder))
            say(f"{name}: stopped")
            return
        del self._folders[point]
        self._ended += 1
        say(f"[{self._ended}/{self._total}] {name}: {self._outcome(folder)}")

    def _is_new(self, path: Path) -> bool:
        return _moment(path) != self._before[path]

    def _outcome(self, folder: Path) -> str:
        summary = files.read_json(folder / files.SUMMARY)
        status = summary.get("status")
        if status != state.FINISHED:
            why = summary.get("reason")
            return f"{str(status).lower()}{f': {why}' if why else ''}"
        found = summary.get("metrics", {})
        # As the table ranks: by the objective, or else by what tells runs apart best.
        name = next((name for name in self._metrics if name in found), None)
        name = name or telling([name for name in found if name not in TIMING_METRICS])
        measured = f"{name} {found[name]:.4g}, " if name else ""
        return f"{measured}{summary.get('seconds', 0):.0f} s"


def _watched(folder: Path) -> list[Path]:
    """Files of a job that change when it starts, or ends."""
    return [folder / files.LOG, folder / files.IDENTITY, folder / files.SUMMARY]


def _moment(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
