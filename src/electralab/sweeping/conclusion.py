"""What a sweep says at its end: its table, its files, what failed, what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from electralab.command.points import point_name
from electralab.comparing import report
from electralab.comparing.sweeps import from_sweep
from electralab.comparing.table import columns
from electralab.errors import RunFailure
from electralab.running.report import command_line, say, short, store_words
from electralab.sweeping import state

if TYPE_CHECKING:
    from electralab.sweeping.plan import Sweep
    from electralab.sweeping.record import SweepRecord

_WITHOUT_REASON = {  # others stand below the table
    state.NEW: "it was not started",
    state.KILLED: "its process was killed",
    state.FAILED: "it failed without a reason",
}


def conclude(sweep: Sweep, record: SweepRecord) -> int:
    """Ends a sweep: in its record, in its folder and on the terminal.

    Args:
        sweep: The sweep.
        record: Its record, still open.

    Returns:
        The exit status: 0 if all points of the command are done, else 1.
    """
    record.finish()
    try:
        comparison = from_sweep(sweep.folder, record.store)
    except RunFailure:  # of the store; the folders are here
        comparison = from_sweep(sweep.folder)
    for path in report.write(comparison, sweep.folder):
        record.log_artifact(path, report.PICTURES if path.parent.name == report.PICTURES else None)
    record.save_view(columns(comparison))
    report.show(comparison)
    ends = {point: state.standing(sweep.folder / point.signature) for point in sweep.points}
    failed = [point for point, found in ends.items() if found not in state.DONE]
    if failed:
        say("", f"{len(failed)} of {len(ends)} jobs failed")
    for point in failed:
        if not state.reason(sweep.folder / point.signature):
            say(f"  {point_name(point.values)}: {_WITHOUT_REASON[ends[point]]}")
    say("", "next", *(f"  {line}" for line in _next(sweep, failed=bool(failed))))
    return 1 if failed else 0


def _next(sweep: Sweep, *, failed: bool) -> list[str]:
    place = shlex.quote(short(sweep.folder))
    lines = [f"electralab compare {place}   # the same again; {place}/{report.PAGE} has it all"]
    if sweep.config.tracking.mode != "off":
        lines.append(command_line("electralab ui", store_words(sweep.config)))
    if failed:
        lines.append(f"{command_line('electralab', sweep.words)}   # runs the failed ones again")
    return lines
