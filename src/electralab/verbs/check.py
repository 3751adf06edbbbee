"""`electralab check`: composes and checks every point, loads no model, runs nothing."""

from __future__ import annotations

from electralab.errors import UserError


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
            "all problems, and runs nothing. Exit status 0: all is well; 2: something must change."
        )
        return 0
    if flags.cfg or flags.info is not None or flags.hydra_help or flags.shell_completion:
        raise UserError("`check` must stand alone; use --cfg and the like without it.")

    from electralab.checking.signature import signature
    from electralab.command.points import checked

    command = checked(flags)
    signatures = [signature(config) for _, config in command.points]
    for (overrides, config), sign in zip(command.points, signatures, strict=True):
        print(f"ok  {sign}  {' '.join([config.name, *overrides])}")
    repeated = len(signatures) - len(set(signatures))
    if command.multirun:
        twice = f" ({repeated} of them twice, run once)" if repeated else ""
        print(f"{len(signatures)} configurations{twice}; run them with: electralab -m …")
    return 0
