"""What a file holds is shown in a message, never obeyed by the terminal, and of bounded length."""

from __future__ import annotations

from electralab.errors import LONGEST, UserError


def test_signs_that_a_terminal_obeys_are_escaped_and_others_kept():
    [line] = UserError("a\x1b[31mb\nc\u202ed\0 café שלום 👩").problems
    assert line == r"a\x1b[31mb\nc\u202ed\x00 café שלום 👩"


def test_a_long_line_keeps_its_beginning_and_its_end():
    [line] = UserError(["`key` holds " + "x" * 100_000 + "; lower it."]).problems
    assert line.startswith("`key` holds xx") and line.endswith("xx; lower it.")
    assert len(line) <= LONGEST + 3
