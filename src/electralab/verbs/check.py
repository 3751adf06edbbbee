"""`electralab check`: composes and checks every point, loads no model, runs nothing."""

from __future__ import annotations

from electralab.errors import UserError
from electralab.tracking.redaction import without_secrets


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status.

    Args:
        argv: Overrides and Hydra's flags, as for a run.

    Raises:
        UserError: With all problems of all points.
    """
    from electralab.cli import parse_flags

    flags = parse_flags([word for word in argv if word != "--"])
    if flags.help:
        print(
            "usage: electralab check [-m] [KEY=VALUE ...]\n\n"
            "Composes every configuration that the same words would run, loads no model, prints\n"
            "all problems, and runs nothing. Of each it prints the signature, the optimiser steps\n"
            "and the tokens to train on, which are unknown until the data has been prepared once;\n"
            "of one alone also its phases and how full its rows are.\n"
            "Exit status 0: all is well; 2: something must change."
        )
        return 0
    if flags.cfg or flags.info is not None or flags.hydra_help or flags.shell_completion:
        raise UserError("`check` must stand alone; use --cfg and the like without it.")

    from electralab.checking.signature import signature
    from electralab.command.points import checked, point_name, words_of
    from electralab.running.counts import length, rows_in_words
    from electralab.running.report import command_line

    command = checked(flags)
    seen: dict[str, str] = {}
    for point in command.points:
        sign = signature(point.config)
        name = point_name(point.values) if command.multirun else ""
        name = name or " ".join([point.config.name, *point.overrides])
        known = f"   the same as {seen[sign]}" if sign in seen else ""
        seen.setdefault(sign, name)
        steps, tokens = length(point.config)
        print(f"ok  {sign}  {_count(steps, 'steps')}  {_count(tokens, 'tokens')}  {name}{known}")
        if not command.multirun:
            for line in rows_in_words(point.config):
                print(f"    {line}")
    if command.multirun:
        repeated = len(command.points) - len(seen)
        twice = f" ({repeated} more are the same as others)" if repeated else ""
        words = command_line("electralab", without_secrets(words_of(flags)))
        if command.search:
            print(f"{len(seen)} corners of the space; search it with: {words}")
        else:
            noun = "point" if len(seen) == 1 else "points"
            print(f"{len(seen)} {noun}{twice}; run them with: {words}")
    return 0


def _count(number: int | None, unit: str) -> str:
    return f"{'unknown' if number is None else f'{number:,}':>12} {unit}"
