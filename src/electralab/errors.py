"""The two ways a command can end badly that are no defect of this project."""

from __future__ import annotations

from collections.abc import Iterable

_OF_WORKER = "in DataLoader worker process"  # torch's words
LONGEST = 1500  # characters of a line: what stands in a file can be of any length


def one_line(error: BaseException) -> str:
    """Returns what an exception of a library says, in one line without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and _OF_WORKER in lines[0]:  # then comes its trace, and what it was in the end
        lines = [lines[-1].removeprefix(f"{type(error).__name__}: ")]
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    if not text or isinstance(error, KeyError):  # whose text is the key alone
        text = f"{type(error).__name__} {text}".strip()
    return text.rstrip(".,:;")


class UserError(Exception):
    """Something only the user can change: configuration, data, a path. Exit status 2.

    Args:
        problems: One line a problem, or a single line. Each names the key, file, row or column,
            what was expected, what was found, and what to do. What a terminal would obey rather
            than show is escaped, and the middle of a very long line is left out.
    """

    exit_status = 2

    def __init__(self, problems: str | Iterable[str]) -> None:
        lines = [problems] if isinstance(problems, str) else problems
        self.problems = [_shown(line) for line in lines]
        super().__init__("\n".join(self.problems))


def _shown(line: str) -> str:
    if len(line) > LONGEST:
        line = f"{line[: LONGEST * 2 // 3]} … {line[-LONGEST // 3 :]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class RunFailure(UserError):
    """The run failed for a reason outside the configuration: a dead server, say. Exit status 1."""

    exit_status = 1


class Interrupted(BaseException):
    """A signal stopped the run: in training after a checkpoint, unless a second signal came.

    Args:
        exit_status: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, exit_status: int) -> None:
        self.exit_status = exit_status
        super().__init__(f"stopped by a signal (exit status {exit_status})")
