"""Where words begin, told from a vocabulary alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from electralab.errors import UserError


@dataclass(frozen=True)
class WordMark:
    """How the pieces of a vocabulary tell where a word begins.

    Args:
        text: What a piece begins with: ``##`` of WordPiece, ``Ġ`` of byte-level BPE, ``▁`` of
            SentencePiece.
        begins: Whether the piece with it begins a word; otherwise it continues one.
    """

    text: str
    begins: bool

    def starts(self, piece: str) -> bool:
        """Says whether a piece begins a word."""
        return piece.startswith(self.text) == self.begins


WORDPIECE, BYTE_LEVEL, SENTENCEPIECE = (
    WordMark("##", False),
    WordMark("Ġ", True),
    WordMark("▁", True),
)
_FEW = 0.01  # a vocabulary that marks beginnings has more of them than this share


def word_mark(tokenizer: PreTrainedTokenizerBase) -> WordMark | None:
    """Returns how a tokenizer's pieces tell where a word begins; none: they do not."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = {} if backend is None else json.loads(backend.to_str())["model"]
    if model.get("type") == "WordPiece":
        return WordMark(model["continuing_subword_prefix"], False)
    vocabulary = tokenizer.get_vocab()
    first = Counter(piece[:1] for piece in vocabulary)
    mark = max((BYTE_LEVEL, SENTENCEPIECE), key=lambda mark: first[mark.text])
    return mark if first[mark.text] > _FEW * len(vocabulary) else None


def word_starts(tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Returns for each id whether its piece begins a word, boolean, of shape ``(vocab_size,)``.

    Raises:
        UserError: The pieces do not tell.
    """
    mark = word_mark(tokenizer)
    if mark is None:
        raise UserError(
            "`task.whole_word` must be false with a tokenizer whose pieces do not tell where a "
            f"word begins (by ##, Ġ or ▁), as those of {tokenizer.name_or_path!r}, but is true "
            "instead."
        )
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array([mark.starts(piece or "") for piece in pieces])


def piece_texts(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], *, mark: WordMark | None
) -> list[tuple[str, bool]]:
    """Returns tokens as a person reads them, and whether each continues the word before it.

    Args:
        tokenizer: Names the tokens.
        ids: Token ids.
        mark: As of `word_mark`.
    """
    pieces = tokenizer.convert_ids_to_tokens(ids)
    if mark is None:
        return [(piece, False) for piece in pieces]
    if mark == BYTE_LEVEL:  # whose pieces spell bytes
        texts = [tokenizer.convert_tokens_to_string([piece]).strip() for piece in pieces]
    else:
        texts = [piece.removeprefix(mark.text) for piece in pieces]
    glued = [not mark.starts(piece) for piece in pieces]
    return list(zip(texts, glued, strict=True))
