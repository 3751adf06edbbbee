"""The YAML files of a person's folders, looked at before Hydra makes a configuration of them."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult

from electralab import untrusted

_LARGEST = 200_000  # bytes
_DEEPEST = 100  # brackets in brackets, for which YAML's reader takes long
_MOST_VALUES = 20_000  # with what aliases stand for
_STANDARD = "tag:yaml.org,2002:"
_PACKAGE = "pkg://"


class PlainFiles(FileConfigSource):
    """Hydra's files, but for those that would fill the memory, make objects or import packages."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Loads a file.

        Raises:
            MarkedYAMLError: It may not be loaded, with its place.
        """
        file = Path(self.path, self._normalize_file_name(config_path))
        if file.exists():
            status = file.stat()
            if problem := _problem(file, status.st_size, status.st_mtime_ns):
                raise problem
        return super().load_config(config_path)


# By which Hydra tells sources apart when it registers its own once more, in a launcher's worker.
PlainFiles.__name__ = FileConfigSource.__name__


def look_at_files() -> None:
    """Makes Hydra read files by `PlainFiles`."""
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = PlainFiles


@cache  # for Hydra reads a file several times
def _problem(file: Path, *_state: int) -> yaml.MarkedYAMLError | None:
    """Returns what is wrong with a file."""
    start = yaml.Mark(str(file), 0, 0, 0, None, None)
    try:
        text = untrusted.read_text(file, most=_LARGEST)
        if max(accumulate(map(_step, text)), default=0) > _DEEPEST:
            raise RecursionError
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None
        if _values(root, file, {}) > _MOST_VALUES:
            raise ValueError(f"its aliases stand for more than {_MOST_VALUES:,} values")
        if _PACKAGE in str(_searchpath(root)):
            raise ValueError("hydra.searchpath may name folders only, for packages run code")
    except yaml.MarkedYAMLError as error:
        if error.problem_mark is not None:
            error.problem_mark.name = str(file)
        return error
    except RecursionError:
        return _refused("it is nested too deeply", start)
    except (OSError, ValueError) as error:
        return _refused(str(error), start)
    return None


def _step(letter: str) -> int:
    return (letter in "[{") - (letter in "]}")


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=mark)


def _values(node: yaml.Node, file: Path, known: dict[int, int]) -> int:
    """Returns how many values a node comes to once its aliases are replaced."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("one of its aliases stands inside what it names")
        return known[id(node)]
    if not node.tag.startswith(_STANDARD) or "python" in node.tag:
        mark = node.start_mark
        raise _refused(
            f"{node.tag.replace(_STANDARD, '!!')} makes an object, and values must be plain",
            yaml.Mark(str(file), 0, mark.line, mark.column, None, None),
        )
    known[id(node)] = 0  # until all inside is known
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        inner = node.value
    elif isinstance(node, yaml.MappingNode):
        inner = [part for pair in node.value for part in pair]
    known[id(node)] = 1 + sum(_values(part, file, known) for part in inner)
    return known[id(node)]


def _searchpath(root: yaml.Node) -> Any:
    """Returns the node of ``hydra.searchpath``, written as text."""
    return [
        yaml.serialize(value)
        for key, value in (root.value if isinstance(root, yaml.MappingNode) else [])
        if "hydra" in str(key.value)
    ]
