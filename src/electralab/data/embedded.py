"""Sources that are already on the machine: their columns, their versions, their examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

COLUMNS = {
    "python_docs": ("text", "library", "name"),
    "python_docs_library": ("text", "library"),
    "python_docs_pairs": ("signature", "summary", "label"),
    "ui_strings_enfr": ("en", "fr"),
}

CLASSES = {"python_docs_pairs": ("mismatch", "match")}  # in their order: measured is "match"


def version(source: str) -> str:
    """Returns what the examples of a source depend on, without reading it.

    Raises:
        UserError: It is not installed.
    """
    if source == "ui_strings_enfr":
        from electralab.data.ui_strings import ui_strings_version

        return ui_strings_version()
    from electralab.data.python_docs import python_docs_version

    if source == "python_docs":
        return python_docs_version()
    from electralab.data.python_tasks import FORMAT

    return f"{source}{FORMAT} {python_docs_version()}"


def examples(
    source: str, columns: Mapping[str, str], *, num_proc: int | None
) -> Iterator[list[str | None]]:
    """Yields the parts of each example, as `electralab.data.readers.examples`.

    Args:
        source: A name in `COLUMNS`.
        columns: The column of each role.
        num_proc: Processes that read; it changes no example.
    """
    from electralab.data.columns import reader

    readers = [(reader(role), column) for role, column in columns.items()]
    for record in _records(source, num_proc):
        yield [read(record[column]) for read, column in readers]


def _records(source: str, num_proc: int | None) -> Iterator[dict[str, str]]:
    if source == "ui_strings_enfr":
        from electralab.data.ui_strings import iter_strings

        return iter_strings()
    if source == "python_docs":
        from electralab.data.python_docs import iter_docstrings

        return iter_docstrings(num_proc=num_proc)
    from electralab.data import python_tasks

    of_library = source == "python_docs_library"
    make = python_tasks.iter_libraries if of_library else python_tasks.iter_pairs
    return make(num_proc=num_proc)
