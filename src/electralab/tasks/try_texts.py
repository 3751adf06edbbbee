"""Texts of the data to try a trained model on."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from electralab.data.rows import EncodedRows

FEWEST = 8  # tokens, special ones included: shorter ones say little


def short_texts(
    rows: EncodedRows, tokenizer: PreTrainedTokenizerBase, *, number: int, texts: int
) -> list[str]:
    """Returns the shortest examples that say something, decoded.

    Args:
        rows: The rows of a split.
        tokenizer: What made their ids.
        number: Examples at most.
        texts: Texts an example has; a tab stands between those of a pair.
    """
    special = set(tokenizer.all_special_ids)
    found: list[str] = []
    order = np.argsort(rows.lengths, kind="stable")
    for row in order[rows.lengths[order] >= FEWEST][: 50 * number]:
        stretches = _stretches(rows[int(row)]["input_ids"], special)
        decoded = [tokenizer.decode(ids).strip() for ids in stretches]
        text = "\t".join(decoded)
        if len(decoded) == texts and all(decoded) and text not in found:
            found.append(text)
        if len(found) == number:
            break
    return found


def _stretches(ids: list[int], special: set[int]) -> list[list[int]]:
    """Returns the stretches of ids between special ones."""
    stretches: list[list[int]] = [[]]
    for number in ids:
        if number in special:
            stretches.append([])
        else:
            stretches[-1].append(number)
    return [stretch for stretch in stretches if stretch]
