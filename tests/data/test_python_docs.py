from __future__ import annotations

import ast
import platform
import sysconfig
from importlib.metadata import version

import pytest

from electralab.data import python_docs
from electralab.data.python_docs import docstrings, iter_docstrings, python_docs_version

SOURCE = b'''"""About the module.

    Its second paragraph.
"""
raise SystemExit("this file must not be run")

class Outer:
    """An outer class."""

    if True:
        def method(self):
            """A method under an if."""
    class Inner:
        async def run(self):
            r"""Runs \\d."""

def plain():
    return """no docstring"""
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A standard library of our own making."""
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(python_docs, "FILES_A_TASK", 2)
    (tmp_path / "package").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "a.py").write_bytes(SOURCE)
    (tmp_path / "broken.py").write_text('"""Never parsed."""\ndef (:\n')
    (tmp_path / "latin.py").write_bytes(b'# coding: latin-1\n"""Caf\xe9."""\n')
    (tmp_path / "package" / "__init__.py").write_text('"""The package."""\n')
    (tmp_path / "package" / "again.py").write_text('"""The package."""\n"""nothing"""\n')
    (tmp_path / "package" / "surrogate.py").write_text('"""Half \\ud83d a pair."""\n')
    (tmp_path / "test" / "test_a.py").write_text('"""Left out."""\n')
    for number in range(7):
        (tmp_path / f"n{number}.py").write_text(f'"""Number {number}."""\n')
    return tmp_path


def test_docstrings_of_module_classes_and_functions_are_found_and_dedented():
    assert docstrings(SOURCE, "m") == [
        ("m", "About the module.\n\nIts second paragraph."),
        ("m.Outer", "An outer class."),
        ("m.Outer.method", "A method under an if."),
        ("m.Outer.Inner.run", "Runs \\d."),
    ]


def test_what_python_itself_calls_a_docstring_is_one():
    with open(ast.__file__, "rb") as file:
        source = file.read()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    expected = {text.strip() for node in nodes if (text := ast.get_docstring(node))}
    assert {text for _, text in docstrings(source, "ast")} == expected


def test_a_file_of_hardly_anything_but_code_is_not_parsed():
    source = b'"""About tables."""\n' + b"x = 1\n" * 990
    assert docstrings(source, "m") == [("m", "About tables.")]
    assert docstrings(source + b"x = 1\n" * 20, "m") == []


def test_a_tree_of_files_gives_each_text_once_and_skips_what_cannot_be_parsed(library):
    entries = list(iter_docstrings(num_proc=1, distributions=[]))
    texts = [entry["text"] for entry in entries]
    assert "Café." in texts
    assert "Half  a pair." in texts
    assert texts.count("The package.") == 1
    assert not {"Never parsed.", "Left out."} & set(texts)
    assert {entry["library"] for entry in entries} == {"python"}
    assert next(e["name"] for e in entries if e["text"] == "The package.") == "package"


def test_the_number_of_processes_changes_nothing(library):
    alone = list(iter_docstrings(num_proc=1, distributions=[]))
    assert list(iter_docstrings(num_proc=2, distributions=[])) == alone
    assert len(alone) == 14


def test_installed_libraries_are_read_under_their_names(library):
    entries = list(iter_docstrings(num_proc=1, distributions=["packaging"]))
    assert {entry["library"] for entry in entries} == {"packaging", "python"}
    assert any(entry["name"].startswith("packaging.version.Version") for entry in entries)


def test_the_version_names_python_and_every_library_below_this_project():
    parts = python_docs_version().split()
    assert f"python=={platform.python_version()}" in parts
    assert f"transformers=={version('transformers')}" in parts
    assert f"numpy=={version('numpy')}" in parts  # required by what we require
    assert not any(part.startswith("electralab==") for part in parts)
    assert python_docs_version() == python_docs_version()
