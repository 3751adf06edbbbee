"""Data sets of the Hugging Face hub, or of a local folder of the same shape."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from yaml import YAMLError

from electralab.data import files
from electralab.data.batches import ROWS
from electralab.data.columns import LABEL, example, missing_column, nested, top_of, unfit
from electralab.errors import RunFailure, UserError, one_line

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import DataConfig

SECONDS = 5  # to wait for the hub's answer about a revision
UNLABELLED = -1  # in the test splits of shared tasks, whose labels are kept back


def load(data: DataConfig, *, cache_dir: Path) -> dict[str, Dataset]:
    """Loads the splits of a data set as they are; no code of it is run.

    Args:
        data: The configuration's `data` node.
        cache_dir: Where 🤗 Datasets keeps its tables.

    Returns:
        ``train``, and ``validation`` and ``test`` where they are splits of its own.

    Raises:
        UserError: No such data set, configuration or split.
        RunFailure: The hub does not answer.
    """
    return _chosen(data, _load(data, cache_dir=str(cache_dir)))


def wanted(data: DataConfig) -> dict[str, tuple[str, str]]:
    """Returns the key and the name of each split that is one of the data set's own."""
    found = {"train": ("data.split.train", data.split.train)}
    for split, value in files.held_out(data).items():
        if isinstance(value, str):
            found[split] = (f"data.split.{split}", value)
    return found


def stream(
    data: DataConfig, split: str, *, columns: Mapping[str, str], start: int
) -> Iterator[list[str | None]]:
    """Yields the parts of each row of a split while it is being loaded.

    Args:
        data: The configuration's `data` node.
        split: ``train``, ``validation`` or ``test``.
        columns: The column of each role.
        start: So many rows are passed over.

    Raises:
        UserError: As of `load`, or a row cannot be read.
        RunFailure: The hub does not answer.
    """
    table = _chosen(data, _load(data, streaming=True))[split]
    row = start
    with _in_words(data):
        for row, record in enumerate(table.skip(start), start=start + 1):
            yield example(record, columns, path=data.name or "", place=("row", row))


def _chosen(data: DataConfig, loaded: dict[str, Any]) -> dict[str, Any]:
    unknown = [
        f"`{key}` must be a split of {data.name}, but is {name} instead; it has "
        f"{', '.join(loaded)}."
        for key, name in wanted(data).values()
        if name not in loaded
    ]
    if unknown:
        raise UserError(unknown)
    return {split: loaded[name] for split, (_, name) in wanted(data).items()}


def select(table: Dataset, columns: Mapping[str, str], *, name: str) -> Dataset | None:
    """Returns a table's columns under the names of their roles, where all are plain text already.

    Args:
        table: A split.
        columns: The column of each role.
        name: The data set's, for messages.

    Returns:
        The same memory-mapped table, or None where `examples` has to read it.

    Raises:
        UserError: There is no such column, or it cannot be what its role is.
    """
    from datasets import Value

    fields = {top: _inner(feature) for top, feature in table.features.items()}
    problems, plain = [], LABEL not in columns
    for role, column in columns.items():
        top = top_of(column, fields)
        if top is None:
            problems.append(missing_column(column, nested(fields), name, role=role))
            continue
        feature = table.features[top]
        if isinstance(feature, Value) and top == column:
            text = feature.dtype in ("string", "large_string")
            if not text and role != LABEL:
                problems.append(unfit(column, feature.dtype, name, role=role))
        else:
            plain = False
    if problems:
        raise UserError(problems)
    if not plain or len(set(columns.values())) < len(columns):
        return None
    table = table.select_columns(list(columns.values()))
    renamed = {column: role for role, column in columns.items() if column != role}
    return table.rename_columns(renamed)


def examples(
    table: Dataset, columns: Mapping[str, str], *, name: str
) -> Iterator[list[str | None]]:
    """Yields the parts of each row, as `electralab.data.readers.examples`; classes by name."""
    fields = {top: _inner(feature) for top, feature in table.features.items()}
    tops = {top for column in columns.values() if (top := top_of(column, fields))}
    table = table.select_columns([top for top in table.column_names if top in tops])
    classes = class_names(table, columns)
    for start in range(0, len(table), ROWS):
        batch = table[start : start + ROWS]
        if classes:
            batch[columns[LABEL]] = [_named(value, classes) for value in batch[columns[LABEL]]]
        for row, values in enumerate(zip(*batch.values(), strict=True), start=start + 1):
            record = dict(zip(batch, values, strict=True))
            yield example(record, columns, path=name, place=("row", row))


def class_names(table: Dataset, columns: Mapping[str, str]) -> tuple[str, ...] | None:
    """Returns the names of the classes in their order, where a data set declares them."""
    from datasets import ClassLabel

    feature: Any = table.features.get(columns.get(LABEL, ""))
    feature = getattr(feature, "feature", feature)  # of a list of classes
    return tuple(feature.names) if isinstance(feature, ClassLabel) else None


def _named(value: int | list[int] | None, classes: tuple[str, ...]) -> str | list[str] | None:
    if isinstance(value, list):
        return [classes[each] for each in value]
    return None if value is None or value == UNLABELLED else classes[value]


def _inner(feature: Any) -> list[str]:
    return list(feature) if isinstance(feature, dict) else []


def identity(data: DataConfig) -> list[Any]:
    """Returns name, configuration and splits with the commit, or the files of a local folder."""
    held = files.held_out(data)
    splits = [data.split.train, *(value for value in held.values() if isinstance(value, str))]
    return [data.name, data.subset, splits, _revision(data)]


def _revision(data: DataConfig) -> Any:
    folder = Path(os.path.expanduser(data.name or ""))
    if folder.is_dir():
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        stats = [(path, path.stat()) for path in found]
        return [[str(path.absolute()), s.st_size, s.st_mtime_ns] for path, s in stats]
    return commit(data.name or "", data.revision, kind="dataset")


def commit(name: str, revision: str | None, *, kind: str) -> str | None:
    """Returns the commit that a revision of a repository of the hub is.

    Args:
        name: The repository's.
        revision: A branch, a tag or a commit; none: the newest.
        kind: ``dataset`` or ``model``.

    Returns:
        The commit; without the hub, that of what was downloaded last, or else the revision.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:
        try:
            api = HfApi()
            return api.repo_info(name, revision=revision, repo_type=kind, timeout=SECONDS).sha
        except Exception:  # whatever the reason, reading itself will give it in words
            pass
    # Without the hub, what was downloaded last is what will be read.
    last = Path(HF_HUB_CACHE, f"{kind}s--{name.replace('/', '--')}", "refs", revision or "main")
    return last.read_text() if last.is_file() else revision


def _load(data: DataConfig, **how: Any) -> dict[str, Any]:
    from datasets import load_dataset, load_dataset_builder

    name = os.path.expanduser(data.name or "")
    with _in_words(data):
        if os.path.isdir(name):
            place = {key: value for key, value in how.items() if key == "cache_dir"}
            _check_inside(name, load_dataset_builder(name, data.subset, **place))
        return load_dataset(name, data.subset, revision=data.revision, **how)


@contextmanager
def _in_words(data: DataConfig) -> Iterator[None]:
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

    try:
        yield
    except (UserError, RunFailure):
        raise
    except DatasetNotFoundError as error:
        raise UserError(
            f"`data.name` must be a data set of the hub or a folder, but {data.name} is not: "
            f"{one_line(error)}."
        ) from None
    except (ConnectionError, TimeoutError) as error:
        raise RunFailure(
            f"`data.name`: the hub did not give {data.name}: {one_line(error)}."
        ) from None
    except DatasetGenerationError as error:
        raise UserError(
            f"`data.name`: {data.name} cannot be read: {one_line(error.__cause__ or error)}."
        ) from None
    except (ValueError, RuntimeError, OSError, YAMLError, UnpicklingError) as error:
        # No such configuration; a script; a README.md or a tensor that would run code.
        raise UserError(f"`data.name`: {data.name} cannot be loaded: {one_line(error)}.") from None


def _check_inside(folder: str, builder: Any) -> None:
    """Refuses a folder whose ``README.md`` names files that are not in it.

    Raises:
        UserError: With the first of them.
    """
    here = Path(folder).absolute()
    named = [str(file) for found in (builder.config.data_files or {}).values() for file in found]
    for file in named:
        if not Path(os.path.abspath(file)).is_relative_to(here):
            raise UserError(f"`data.name`: {folder} must hold its own files, but names {file}.")
