"""The names and types of `Seq2SeqTrainingArguments`, read from the installed source.

Importing the class takes seconds; reading its source takes milliseconds, and follows the version
that is installed.
"""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

_ENUM_FILES = ("trainer_utils.py", "training_args.py")


@cache
def fields() -> dict[str, str]:
    """Returns the annotation of every argument, by name."""
    found: dict[str, str] = {}
    for file, name in (
        ("training_args.py", "TrainingArguments"),
        ("training_args_seq2seq.py", "Seq2SeqTrainingArguments"),
    ):
        for node in _class_body(file, name):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                annotation = ast.unparse(node.annotation)
                if not annotation.startswith("ClassVar"):
                    found[node.target.id] = annotation
    return found


@cache
def choices(annotation: str) -> tuple[str, ...]:
    """Returns the values of the enumeration that an annotation names, if it names one."""
    for name in (part.strip() for part in annotation.split("|")):
        for file in _ENUM_FILES:
            values = [
                node.value.value
                for node in _class_body(file, name)
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            ]
            if values:
                return tuple(dict.fromkeys(values))
    return ()


@cache
def _class_body(file: str, name: str) -> list[ast.stmt]:
    """Parses one class up to its first method."""
    lines = _lines(file)
    heads = (f"class {name}:", f"class {name}(")
    start = next((i for i, line in enumerate(lines) if line.startswith(heads)), None)
    if start is None:
        return []
    end = start + 1
    while end < len(lines) and not lines[end].startswith(
        ("    def ", "    @", "class ", "def ", "@")
    ):
        end += 1
    return ast.parse("\n".join(lines[start:end])).body[0].body


@cache
def _lines(file: str) -> list[str]:
    # `find_spec` of a package that is not imported yet does not import it.
    spec = importlib.util.find_spec("transformers")
    path = Path(spec.submodule_search_locations[0], file)
    return path.read_text(encoding="utf-8").splitlines()
