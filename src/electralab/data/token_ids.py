"""From texts to token ids, in a thread beside the one that has other work with them."""

from __future__ import annotations

import json
import os
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
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
SEPARATOR = "\ufdd0\ufdd1"  # no characters, which Unicode keeps for use inside a program
GROUP = 2048  # characters of texts that are encoded as one


class PlainTokenizer:
    """A tokenizer's fast part without truncation, pads and special tokens.

    Args:
        tokenizer: Stays as it is.

    Attributes:
        together: It, with `SEPARATOR` for a token, so that texts can be encoded as one; none: they
            would get other ids than by themselves.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._description = tokenizer.backend_tokenizer.to_str()
        before = tokenizer.backend_tokenizer.pre_tokenizer
        # Normalizers and pre-tokenizers see what is between two added tokens by itself. Metaspace
        # alone can ask where it stands, to set a blank before the first word of all.
        asks = before is not None and _asks_for_the_first(json.loads(before.__getstate__()))
        self.together = None if asks else self._with_separator()

    @cached_property
    def alone(self) -> Tokenizer:
        """It as it is, for texts that are encoded one by one."""
        return self._plain()

    def _plain(self) -> Tokenizer:
        from tokenizers import Tokenizer

        backend = Tokenizer.from_str(self._description)
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True  # a text that speaks of [MASK] holds no mask
        return backend

    def _with_separator(self) -> Tokenizer | None:
        from tokenizers import AddedToken

        backend = self._plain()
        taken = [token.content for token in backend.get_added_tokens_decoder().values()]
        known = set(backend.get_vocab().values())
        backend.add_tokens([AddedToken(SEPARATOR, normalized=False)])
        unclear = backend.token_to_id(SEPARATOR) in known  # of a vocabulary with holes
        if unclear or any(set(SEPARATOR) & set(content) for content in taken):
            return None
        return backend


def _asks_for_the_first(part: dict[str, Any]) -> bool:
    inner = part.get("pretokenizers", ())
    return part.get("prepend_scheme") == "first" or any(map(_asks_for_the_first, inner))


def tokenised(
    parts: Iterable[list[str]], tokenizer: PlainTokenizer
) -> Iterator[tuple[list[str], Ragged]]:
    """Yields texts and their ids without special tokens.

    The Rust tokenizer works without Python's lock: texts are read and ids are packed meanwhile.

    Args:
        parts: Many texts at a time.
        tokenizer: What makes the ids.
    """
    running: deque[tuple[list[str], Future]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for texts in chain(parts, [None] * AHEAD):
            if texts is not None:
                running.append((texts, pool.submit(ids_of, texts, tokenizer)))
            if running and (texts is None or len(running) > AHEAD):
                done, ids = running.popleft()
                yield done, ids.result()


def ids_of(texts: list[str], tokenizer: PlainTokenizer) -> Ragged:
    """Returns the ids of some texts: of short ones together, of very long ones piece by piece."""
    long = any(len(text) > PIECE for text in texts)
    if tokenizer.together is not None and not long:
        found = _ids_together(texts, tokenizer.together)
        if found is not None:
            return found
    parts = batches(chain.from_iterable(map(pieces, texts))) if long else [texts]
    flat, ends = _encoded(parts, tokenizer.alone)
    if long:
        counts = np.cumsum([sum(1 for _ in pieces(text)) for text in texts])
        ends = [ends[last - 1] for last in counts.tolist()]
    return Ragged(flat, np.diff(ends, prepend=0))


def _ids_together(texts: list[str], backend: Tokenizer) -> Ragged | None:
    """Returns the ids of texts that are encoded in groups; none where one holds the separator.

    A string more costs the tokenizer about as much as twenty tokens more.
    """
    groups, group, characters = [], [], 0
    for text in texts:
        group.append(text)
        characters += len(text) + 1
        if characters >= GROUP:
            groups.append(SEPARATOR.join([*group, ""]))  # one behind each text
            group, characters = [], 0
    groups.append(SEPARATOR.join([*group, ""]))
    if sum(group.count(SEPARATOR) for group in groups) != len(texts):
        return None
    flat, _ = _encoded([groups], backend)
    is_end = flat == backend.token_to_id(SEPARATOR)
    return Ragged(flat[~is_end], np.diff(np.flatnonzero(is_end), prepend=-1) - 1)


def _encoded(parts: Iterable[list[str]], backend: Tokenizer) -> tuple[np.ndarray, list[int]]:
    """Returns the ids of texts, one behind the other, and where each ends."""
    flat, ends = array("I"), []
    for part in parts:
        for encoding in backend.encode_batch_fast(part, add_special_tokens=False):
            flat.fromlist(encoding.ids)  # three times as fast as `numpy.asarray`
            ends.append(len(flat))
    return np.frombuffer(flat, dtype=np.uint32), ends


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
