"""A hash of the texts of a split that does not depend on the parts in which they come."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_NULL = -1  # the size of a text that is null


class Fingerprint:
    """Takes the texts of a table a few rows at a time; none is copied.

    Sizes and bytes have a hash each, so that neither where a text ends nor which is null is open.
    """

    def __init__(self) -> None:
        self._hashes: dict[str, tuple[Any, Any]] = {}

    def feed(self, table: pa.Table) -> None:
        """Takes some more rows of all columns, which are texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name in table.column_names:
            sizes, content = self._hashes.setdefault(name, (hashlib.sha256(), hashlib.sha256()))
            texts = table[name].cast(pa.large_string())
            counts = pc.binary_length(texts).fill_null(_NULL).to_numpy()
            sizes.update(counts.astype("<i8").data)
            for chunk in texts.fill_null("").chunks:
                content.update(_bytes(chunk))

    def digest(self) -> bytes:
        """Returns a SHA-256 of what was taken."""
        whole = hashlib.sha256()
        for name, (sizes, content) in self._hashes.items():
            whole.update(f"{name} ".encode() + sizes.digest() + content.digest())
        return whole.digest()


def _bytes(texts: pa.LargeStringArray) -> memoryview:
    """Returns the UTF-8 of texts one behind the other, where they lie."""
    _, offsets, content = texts.buffers()
    if content is None or not len(texts):
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(content)[ends[0] : ends[-1]]
