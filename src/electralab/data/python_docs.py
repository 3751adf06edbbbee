"""The embedded corpus: docstrings of the standard library and of the installed libraries below us.

Files are parsed with `ast` and never imported, so reading runs no code. Two readings on the same
Python with the same libraries give the same texts in the same order, whatever the processes.
"""

from __future__ import annotations

import ast
import gc
import inspect
import multiprocessing
import os
import platform
import signal
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from electralab.machine import cores

Extract = Callable[[bytes, str], Iterable[tuple[str, ...]]]

DEPTH = 2  # our requirements and theirs; what lies deeper is mostly generated client code
FORMAT = 2  # goes up when the rules below give other texts from the same files
STDLIB = "python"
# Tests hardly document; vendored code stands elsewhere too; the model files of transformers say
# nearly the same thing a hundred times, which would leak from training to held-out texts.
SKIPPED_FOLDERS = {"test", "tests", "testing", "idlelib", "lib2to3", "__pycache__"}
SKIPPED_FOLDERS |= {"_vendor", "vendor", "vendored", "site-packages", "dist-packages"}
SKIPPED_PREFIXES = ("transformers/models/",)
# Bytes a triple-quoted string. Sparser files are tables and generated code, a sixth of the time for
# a twentieth of the words.
SPARSE = 6000
FILES_A_TASK = 48


def iter_docstrings(
    *, num_proc: int | None = None, distributions: list[str] | None = None
) -> Iterator[dict[str, str]]:
    """Yields every different docstring once, in a fixed order.

    Args:
        num_proc: Processes that parse; null is one a core, at most 8. It changes no text.
        distributions: Names of the installed distributions to read besides the standard library;
            null are those that this project requires.

    Yields:
        ``text`` (dedented), ``library`` (its distribution, ``python`` for the standard library)
        and ``name`` (module and qualified name of what it documents).
    """
    seen: set[str] = set()
    for library, name, text in parsed(docstrings, num_proc=num_proc, distributions=distributions):
        if text not in seen:
            seen.add(text)
            yield {"text": text, "library": library, "name": name}


def parsed(
    extract: Extract, *, num_proc: int | None = None, distributions: list[str] | None = None
) -> Iterator[tuple[str, ...]]:
    """Yields the library and what was found, for all that is found in the source files.

    Args:
        extract: Returns what to find in a file's source, given its module's name; a function at
            the top of a module, for it goes to other processes.
        num_proc: As in `iter_docstrings`.
        distributions: As in `iter_docstrings`.
    """
    from tqdm import tqdm

    files = _files(_installed(distributions))
    tasks = [files[start : start + FILES_A_TASK] for start in range(0, len(files), FILES_A_TASK)]
    processes = min(num_proc or min(cores(), 8), len(tasks))
    results = _results(partial(_parse_files, extract), tasks, processes)
    for found in tqdm(results, "reading docstrings", len(tasks), disable=None, delay=2):
        yield from found


def python_docs_version(distributions: list[str] | None = None) -> str:
    """Returns what the texts depend on: the Python and the libraries' versions; reads no source."""
    installed = _installed(distributions)
    versions = [f"{name}=={dist.version}" for name, dist in installed.items()]
    return " ".join([f"python_docs{FORMAT}", f"python=={platform.python_version()}", *versions])


def docstrings(source: bytes, module: str) -> list[tuple[str, str]]:
    """Returns (qualified name, cleaned docstring) of a file's module, classes and functions."""
    return [(name, text) for name, _, text in documented(source, module)]


def documented(source: bytes, module: str) -> Iterator[tuple[str, ast.AST, str]]:
    """Yields (qualified name, node, cleaned docstring) of a file's module, classes and functions.

    A file that this Python cannot parse has none, nor has one with far more code than docstrings.
    """
    strings = (source.count(b'"""') + source.count(b"'''")) // 2
    if len(source) > strings * SPARSE:
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    nodes: list[tuple[str, ast.AST]] = [(module, tree)]
    while nodes:
        name, node = nodes.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = _cleaned(node)
            if text:
                yield name, node, text
        for field in ("orelse", "finalbody", "handlers", "body"):
            for child in reversed(getattr(node, field, None) or []):
                if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    nodes.append((f"{name}.{child.name}", child))
                elif isinstance(child, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                    nodes.append((name, child))


def _cleaned(node: ast.AST) -> str:
    text = ast.get_docstring(node, clean=False) or ""
    # A docstring may hold lone surrogates, which no file or table in UTF-8 can.
    return inspect.cleandoc(text.encode("utf-8", "ignore").decode("utf-8")).strip()


def _parse_files(extract: Extract, files: list[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Returns the library and what was found, of files given as (library, module, path)."""
    found = []
    collecting = gc.isenabled()
    gc.disable()  # a tree has no cycles, and walking young trees takes a third of the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's files
            for library, module, path in files:
                try:
                    source = Path(path).read_bytes()
                except OSError:
                    continue
                found += [(library, *each) for each in extract(source, module)]
    finally:
        if collecting:
            gc.enable()
    return found


def _results(parse: Callable, tasks: list, processes: int) -> Iterator[list[tuple[str, ...]]]:
    if processes < 2:
        yield from map(parse, tasks)
        return
    # Not forked: the caller may hold threads of torch or of a tracking client.
    context = multiprocessing.get_context("spawn")
    # A terminal sends Ctrl-C to the workers as well, which this process ends itself.
    quiet = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(processes, mp_context=context, **quiet) as pool:
        yield from pool.map(parse, tasks)


def _installed(names: list[str] | None) -> dict[str, Distribution]:
    """Returns the distributions to read by normalised name, sorted."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    level = [(name, frozenset()) for name in (["electralab"] if names is None else names)]
    for _ in range(DEPTH + 1 if names is None else 1):
        below: list[tuple[str, frozenset[str]]] = []
        for name, extras in level:
            key = canonicalize_name(name)
            if key in found:
                continue
            try:
                found[key] = distribution(name)
            except PackageNotFoundError:
                continue
            for line in found[key].requires or []:
                try:
                    required = Requirement(line)
                except InvalidRequirement:
                    continue
                marker = required.marker
                if marker is None or any(marker.evaluate({"extra": e}) for e in extras or {""}):
                    below.append((required.name, frozenset(required.extras)))
        level = below
    if names is None:
        found.pop("electralab", None)
    return dict(sorted(found.items()))


def _files(installed: dict[str, Distribution]) -> list[tuple[str, str, str]]:
    """Returns (library, module, path) of the source files, each path once, in a fixed order."""
    files: dict[str, tuple[str, str, str]] = {}
    for library, dist in installed.items():
        paths = sorted(str(file) for file in dist.files or [] if str(file).endswith(".py"))
        for relative in paths:
            if _wanted(relative):
                path = str(dist.locate_file(relative))
                files.setdefault(path, (library, _module(relative), path))
    root = sysconfig.get_path("stdlib")
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        for name in sorted(names):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            if name.endswith(".py"):
                files.setdefault(path, (STDLIB, _module(relative), path))
    return list(files.values())


def _wanted(relative: str) -> bool:
    parts = relative.split("/")
    return not (
        SKIPPED_FOLDERS.intersection(parts[:-1])
        or parts[0] == ".."
        or relative.startswith(SKIPPED_PREFIXES)
    )


def _module(relative: str) -> str:
    return relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


if __name__ == "__main__":  # a look at the corpus: python -m electralab.data.python_docs
    for entry in iter_docstrings():
        sys.stdout.write(f"[{entry['library']}] {entry['name']}\n{entry['text']}\n\n")
