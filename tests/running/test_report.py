"""What a run prints to be typed next is what a shell reads."""

from __future__ import annotations

import subprocess

import pytest

from electralab.running.report import quoted


@pytest.mark.parametrize(
    "text",
    [
        "a text",
        "it's `here` $HOME !",
        "one\tother",
        "a\nb\\n",
        "page\x0cbell\x07\x1b[2J \u2028é\t😀'",
    ],
)
def test_a_text_comes_through_a_shell_and_holds_no_control_characters(text):
    typed = quoted(text)
    assert typed.isprintable()
    words = ["bash", "-c", f"printf %s {typed}"]
    environment = {"LC_ALL": "C.UTF-8"}
    assert subprocess.run(words, capture_output=True, env=environment).stdout.decode() == text
