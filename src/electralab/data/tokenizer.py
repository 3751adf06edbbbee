"""Training a tokenizer on the corpus itself: a WordPiece (Schuster & Nakajima 2012), or a BPE."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from electralab.data.batches import pieces
from electralab.data.bpe import train_bpe
from electralab.data.texts import Texts

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from electralab.data.clean import Kept
    from electralab.data.prepare import TrainTokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4
MAX_INPUT = 512  # tokens; the positions of every ELECTRA as published
SAMPLE_CHARACTERS = 16_000_000  # more text changes few pieces and costs seconds


def train_tokenizer(table: Dataset, kept: Kept, wanted: TrainTokenizer) -> PreTrainedTokenizerBase:
    """Trains a tokenizer on the texts of a split.

    Args:
        table: A column a role.
        kept: What is kept of it.
        wanted: What kind of tokenizer.
    """
    stride = sample_stride(sum(int(lengths.sum()) for lengths in kept.characters.values()))
    texts = [
        piece
        for page in Texts(table, kept, "train").pages(stride)
        for row in zip(*(page[role].to_pylist() for role in kept.characters), strict=True)
        for text in row
        if text
        for piece in pieces(text)
    ]
    train = {"wordpiece": train_wordpiece, "bpe": train_bpe}[wanted.kind]
    return train(texts, vocab_size=wanted.vocab_size, lowercase=wanted.lowercase)


def train_wordpiece(
    texts: Sequence[str], *, vocab_size: int, lowercase: bool
) -> PreTrainedTokenizerBase:
    """Trains a WordPiece vocabulary; the same texts give the same pieces with the same ids.

    Accents are kept even where case is folded: stripping them decomposes characters first, which
    would take every Hangul syllable apart.

    Args:
        texts: The corpus, or a part of it.
        vocab_size: Pieces wanted, special tokens included; a small corpus can yield fewer.
        lowercase: Whether case is folded, in training and in use.

    Returns:
        A `BertTokenizer` whose saved folder `AutoTokenizer` loads.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from tqdm import tqdm
    from transformers import BertTokenizer

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    counts: Counter[str] = Counter()
    for text in tqdm(texts, "training a tokenizer", disable=None, delay=1):
        counts.update(tokenizer.normalizer.normalize_str(text))
    alphabet = _alphabet(counts, vocab_size=vocab_size)
    # The trainer numbers continuations in the order of a randomly seeded hash map and breaks ties
    # between merges by number. Naming them beforehand makes the result a function of the texts.
    continuations = [f"##{character}" for character in alphabet if _continues(character)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *continuations],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = tokenizer.get_vocab()
    return BertTokenizer(
        vocab={piece: pieces[piece] for piece in sorted(pieces, key=pieces.__getitem__)},
        do_lower_case=lowercase,
        strip_accents=False,
        model_max_length=MAX_INPUT,
    )


def sample_stride(characters: int, wanted: int = SAMPLE_CHARACTERS) -> int:
    """Returns which documents to train a tokenizer on: every so many-th one.

    Args:
        characters: Of all documents.
        wanted: Characters wanted at most, roughly.
    """
    return max(1, -(-characters // wanted))


def _alphabet(counts: Counter[str], *, vocab_size: int) -> list[str]:
    """Returns the characters that become pieces, the most frequent ones, sorted."""
    # Each can stand alone and as a continuation. In a large alphabet such as Hangul the rare ones
    # must leave room for whole words.
    room = (vocab_size - len(SPECIAL_TOKENS)) // 2
    limit = min(room, max(1000, vocab_size // 4))
    characters = [character for character in counts if not character.isspace()]
    return sorted(sorted(characters, key=lambda c: (-counts[c], c))[:limit])


def _continues(character: str) -> bool:
    """Whether a character can continue a word: the normaliser isolates punctuation and Hanzi."""
    return character not in string.punctuation and not "\u4e00" <= character <= "\u9fff"
