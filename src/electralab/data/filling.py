"""How full rows are, and how many texts they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from electralab.data.blocks import TokenBlocks


def filling(
    splits: Mapping[str, TokenBlocks | None], documents: Mapping[str, int]
) -> dict[str, Any]:
    """Returns what packing came to, for JSON.

    Args:
        splits: The rows of each split; none: there is no such split.
        documents: Texts of each split.

    Returns:
        ``kind``, and by split ``texts_a_row``, the mean, and ``filled``, the share of the places in
        rows of `data.max_length` tokens at which a token stands.
    """
    found: dict[str, Any] = {"kind": splits["train"].packing}
    for split, rows in splits.items():
        if rows is not None:
            texts = documents[split] if rows.texts is None else rows.texts
            found[split] = {"texts_a_row": texts / len(rows), "filled": rows.filled}
    return found


def in_words(packing: Mapping[str, Any]) -> str:
    """Returns a line about the packing of the train split.

    Args:
        packing: What `filling` returned.

    Example:
        >>> in_words({"kind": "separate", "train": {"texts_a_row": 5.93, "filled": 0.984}})
        'packing separate, 5.9 texts a row, 98.4 % filled'
    """
    kind, train = packing["kind"], packing["train"]
    texts = train["texts_a_row"]
    each = "1 text a row" if kind == "none" else f"{texts:.{1 if texts >= 1 else 3}f} texts a row"
    # Batches are padded to their longest row only, so that fewer places are lost than this says.
    of = " of data.max_length" if kind == "none" else ""
    return f"packing {kind}, {each}, {100 * train['filled']:.1f} %{of} filled"
