"""The examples of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from electralab.data.columns import LABEL, example, missing_column, nested, top_of, unfit
from electralab.errors import UserError

ROWS = 256  # read in one go


def examples(path: Path, columns: Mapping[str, str]) -> Iterator[list[str | None]]:
    """Yields the parts of each row, as `electralab.data.readers.examples`."""
    number = 0
    with opened(path) as file:
        tops = tops_of(file, columns, path)
        for batch in file.iter_batches(batch_size=ROWS, columns=tops):
            try:
                records = batch.to_pylist()
            except UnicodeDecodeError as error:  # which no writer checks
                raise UserError(
                    f"{path}, rows {number + 1} to {number + len(batch)}: the file must hold UTF-8 "
                    f"text, but holds 0x{error.object[error.start]:02x}; write it anew as UTF-8."
                ) from None
            for record in records:
                number += 1
                yield example(record, columns, path=path, place=("row", number))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a Parquet file; whatever is wrong with it becomes one line.

    Raises:
        UserError: The file is no Parquet or is damaged, at once or while it is read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        message = (str(error).strip().splitlines() or ["it is damaged"])[0].rstrip(".")
        raise UserError(f"{path}: the file must be Parquet, but: {message}.") from None


def tops_of(file: Any, columns: Mapping[str, str], path: Path) -> list[str]:
    """Returns the columns at the top of a Parquet file in which those of the roles stand.

    Raises:
        UserError: There is no such column, or its schema says that it cannot be what its role is.
    """
    import pyarrow as pa

    schema = file.schema_arrow
    kinds = {field.name: field.type for field in schema}
    fields = {
        name: [kind.field(at).name for at in range(kind.num_fields)]
        if pa.types.is_struct(kind)
        else []
        for name, kind in kinds.items()
    }
    tops, problems = {}, []
    for role, column in columns.items():
        top = top_of(column, fields)
        if top is None:
            problems.append(missing_column(column, nested(fields), path, role=role))
            continue
        kind = kinds[top]
        plain = pa.types.is_primitive(kind) or pa.types.is_binary(kind)
        if role != LABEL and plain and not pa.types.is_null(kind):
            problems.append(unfit(column, str(kind), path, role=role))
        tops[top] = None
    if problems:
        raise UserError(problems)
    return list(tops)
