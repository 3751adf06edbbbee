"""Data sets of the Hugging Face hub, or of a local folder of the same shape."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import files
from electralab.data.columns import lookup, missing_column, not_text, text_of
from electralab.errors import RunFailure, UserError, one_line

if TYPE_CHECKING:
    from datasets import Dataset

    from electralab.config import DataConfig

SECONDS = 5  # to wait for the hub's answer about a revision


def read(data: DataConfig, *, cache_dir: Path) -> dict[str, Dataset]:
    """Reads the splits of a data set; no code of it is run.

    Args:
        data: The configuration's `data` node.
        cache_dir: Where the prepared tables lie.

    Returns:
        As `electralab.data.sources.read`.

    Raises:
        UserError: No such data set, configuration, split or column.
        RunFailure: The hub does not answer.
    """
    wanted = {"train": ("data.split.train", data.split.train)}
    for split, value in files.held_out(data).items():
        if isinstance(value, str):
            wanted[split] = (f"data.split.{split}", value)
    loaded = _load(data, cache_dir)
    unknown = [
        f"`{key}` must be a split of {data.name}, but is {name} instead; it has "
        f"{', '.join(loaded)}."
        for key, name in wanted.values()
        if name not in loaded
    ]
    if unknown:
        raise UserError(unknown)
    return {
        split: _text_column(loaded[name], data, cache_dir / f"{split}.arrow")
        for split, (_, name) in wanted.items()
    }


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
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    if not HF_HUB_OFFLINE:
        try:
            api = HfApi()
            return api.dataset_info(data.name, revision=data.revision, timeout=SECONDS).sha
        except Exception:  # whatever the reason, reading itself will give it in words
            pass
    # Without the hub, what was downloaded last is what will be read.
    folder_name = "datasets--" + (data.name or "").replace("/", "--")
    last = Path(HF_HUB_CACHE, folder_name, "refs", data.revision or "main")
    return last.read_text() if last.is_file() else data.revision


def _load(data: DataConfig, cache_dir: Path) -> dict[str, Dataset]:
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

    name = os.path.expanduser(data.name or "")
    try:
        return load_dataset(name, data.subset, revision=data.revision, cache_dir=str(cache_dir))
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
    except (ValueError, RuntimeError, OSError) as error:  # no such configuration; a script
        raise UserError(f"`data.name`: {data.name} cannot be loaded: {one_line(error)}.") from None


def _text_column(table: Dataset, data: DataConfig, cache_file: Path) -> Dataset:
    from datasets import Features, Value

    column = data.columns.text
    top = column if column in table.column_names else column.split(".")[0]
    if top not in table.column_names:
        raise UserError(missing_column(column, table.column_names, data.name))
    feature = table.features[top]
    if top == column and isinstance(feature, Value):
        if feature.dtype not in ("string", "large_string"):
            raise UserError(not_text(column, feature.dtype, data.name))
        return table.select_columns([top]).rename_column(top, "text")

    def resolve(record: dict, row: int) -> dict[str, str | None]:
        present, value = lookup(record, column)
        if not present:
            names = [f"{top}.{inner}" for inner in record[top]]
            raise UserError(missing_column(column, names, data.name))
        try:
            return {"text": text_of(value)}
        except TypeError as error:
            raise UserError(not_text(column, str(error), data.name, f"row {row + 1}")) from None

    return table.select_columns([top]).map(
        resolve,
        with_indices=True,
        remove_columns=[top] if top != "text" else [],
        features=Features({"text": Value("large_string")}),
        cache_file_name=str(cache_file),
    )
