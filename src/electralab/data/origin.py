"""What to say of a split that gives nothing to train or to measure on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import DataConfig
    from electralab.data.clean import Kept

LONGEST = 1 << 24  # characters of a text that is encoded as a whole; a hundred bytes each

_WHY = {
    "null": "{} are null",
    "empty": "{} are empty",
    "without_label": "{} have no label",
    "stray_label": "{} have a label that is not in `task.labels`",
    "too_short": "{} are shorter than `data.clean.min_characters`",
    "too_long": "{} are longer than `data.clean.max_characters`",
    "held_out": "{} stand in a held-out split as well",
}


def key_of(split: str, data: DataConfig) -> str:
    """Returns the key that says where a split comes from, with its value."""
    if split != "train":
        return f"`data.split.{split}` ({data.split.model_dump()[split]})"
    key = "name" if data.source == "hub" else "path" if data.path is not None else "source"
    return f"`data.{key}` ({getattr(data, key)})"


def nothing_left(split: str, documents: int, dropped: dict[str, int], data: DataConfig) -> str:
    """Returns the problem of a split of which cleaning left nothing."""
    if not documents:
        return f"{key_of(split, data)} must hold documents, but has none."
    reasons = [form.format(dropped[why]) for why, form in _WHY.items() if dropped.get(why)]
    return (
        f"{key_of(split, data)} must give examples, but of its {documents} documents "
        f"{', '.join(reasons)}; see `data.columns`."
    )


def too_little(split: str, tokens: int, data: DataConfig) -> str:
    """Returns the problem of a split that fills not even one row."""
    needed = f"a row of `data.max_length` {data.max_length} needs {data.max_length - 2}"
    share = data.split.model_dump().get(split)
    if split == "train" or isinstance(share, str):
        return (
            f"{key_of(split, data)} must give more text: it has {tokens} tokens, and {needed}; "
            "add some, lower `data.max_length`, or take `data.packing=none`."
        )
    return (
        f"`data.split.{split}` must hold out more than {share}: that is {tokens} tokens, and "
        f"{needed}; raise it, lower `data.max_length`, or take `data.packing=none`."
    )


def nothing_known(split: str, tokens: int, data: DataConfig) -> str:
    """Returns the problem of a split of whose text the tokenizer knows nothing."""
    return (
        f"{key_of(split, data)} must hold text that the tokenizer knows, but all of its {tokens:,} "
        "tokens are unknown or special; choose another `model.tokenizer`, such as train."
    )


def refuse_giants(split: str, kept: Kept, data: DataConfig) -> None:
    """Refuses texts for which the memory of a machine may not do.

    Raises:
        UserError: There is one.
    """
    for role, lengths in kept.characters.items():
        if (lengths > LONGEST).any():
            at = int(lengths.argmax())
            raise UserError(
                f"{key_of(split, data)} must hold texts of at most {LONGEST:,} characters, but the "
                f"{role} of example {kept.rows[at] + 1:,} has {lengths[at]:,}; "
                "drop such with data.clean.max_characters."
            )
