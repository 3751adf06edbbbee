"""From texts to token ids, in a thread beside the one that has other work with them."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from electralab.data.batches import PIECE, batches, pieces
from electralab.data.ragged import Ragged
from electralab.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

AHEAD = 2  # batches that are tokenised while an earlier one is used, each in its thread


def plain_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """Returns a tokenizer's fast part without truncation and pads; the caller's stays as it is."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # a text that speaks of [MASK] holds no mask
    return backend


def tokenised(parts: Iterable[list[str]], backend: Tokenizer) -> Iterator[tuple[list[str], Ragged]]:
    """Yields texts and their ids without special tokens.

    The Rust tokenizer works without Python's lock: texts are read and ids are packed meanwhile.

    Args:
        parts: Many texts at a time.
        backend: As of `plain_tokenizer`.
    """
    running: deque[tuple[list[str], Future]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for texts in chain(parts, [None] * AHEAD):
            if texts is not None:
                running.append((texts, pool.submit(ids_of, texts, backend)))
            if running and (texts is None or len(running) > AHEAD):
                done, ids = running.popleft()
                yield done, ids.result()


def ids_of(texts: list[str], backend: Tokenizer) -> Ragged:
    """Returns the ids of some texts; one that is longer than a piece is encoded piece by piece."""
    long = any(len(text) > PIECE for text in texts)
    flat, ends = array("I"), []
    for part in batches(chain.from_iterable(map(pieces, texts))) if long else [texts]:
        for encoding in backend.encode_batch_fast(part, add_special_tokens=False):
            flat.fromlist(encoding.ids)  # three times as fast as `numpy.asarray`
            ends.append(len(flat))
    if long:
        counts = np.cumsum([sum(1 for _ in pieces(text)) for text in texts])
        ends = [ends[last - 1] for last in counts.tolist()]
    return Ragged(np.frombuffer(flat, dtype=np.uint32), np.diff(ends, prepend=0))


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Tokenises in so many threads; afterwards processes may be forked without a warning."""
    if number:  # counts where the first tokenizer of a process begins, not later
        os.environ.setdefault("RAYON_NUM_THREADS", str(number))
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


def special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Returns the ids that `pack` needs.

    Raises:
        UserError: The tokenizer lacks a special token.
    """
    missing = [
        f"`model.tokenizer` must have a {name} token, but {tokenizer.name_or_path} has none."
        for name in ("cls", "sep", "pad", "mask")
        if getattr(tokenizer, f"{name}_token_id", None) is None
    ]
    if missing:
        raise UserError(missing)
    return {
        "cls_id": tokenizer.cls_token_id,
        "sep_id": tokenizer.sep_token_id,
        "special_ids": np.unique(tokenizer.all_special_ids).tolist(),
    }
