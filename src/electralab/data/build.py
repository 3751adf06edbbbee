"""The work behind `prepare`, done where nothing earlier can be taken: from documents to blocks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from electralab.data import sources
from electralab.data.batches import batches, each
from electralab.data.clean import clean, hold_out
from electralab.data.files import held_out
from electralab.data.pack import pack
from electralab.data.tokenizer import sample, train_wordpiece
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

    from electralab.config import DataConfig
    from electralab.data.prepare import TrainTokenizer


def build(
    folder: Path,
    *,
    data: DataConfig,
    tokenizer: PreTrainedTokenizerBase | TrainTokenizer,
    cache_dir: Path,
) -> dict[str, Any]:
    """Writes a folder a split, and the tokenizer if it was trained.

    Args:
        folder: An empty folder.
        data: The configuration's `data` node.
        tokenizer: A tokenizer, or how to train one.
        cache_dir: Where what is read is kept.

    Returns:
        The ``report`` and ``fingerprint`` of `Prepared`.

    Raises:
        UserError: The source, its texts or the tokenizer are not as they should be.
    """
    splits, counts = _documents(data, cache_dir)
    with _threads(data.num_proc):
        if not hasattr(tokenizer, "backend_tokenizer"):
            tokenizer = _trained(splits["train"], tokenizer)
            tokenizer.save_pretrained(folder / "tokenizer")
        digest, packed = _packed(folder, splits, tokenizer, data)
    report: dict[str, Any] = {**counts, "tokens": {}, "blocks": {}, "vocab_size": len(tokenizer)}
    for split, count in packed.items():
        report["documents"][split] = count["documents"]
        report["dropped"]["without_tokens"] += count["without_tokens"]
        report["tokens"][split] = count["tokens"]
        report["blocks"][split] = count["blocks"]
    return {"report": report, "fingerprint": digest}


def _trained(documents: Dataset, wanted: TrainTokenizer) -> PreTrainedTokenizerBase:
    rows = sample([len(text) for text in each(documents)])
    texts = documents.select(rows)["text"][:]
    return train_wordpiece(texts, vocab_size=wanted.vocab_size, lowercase=wanted.lowercase)


def _packed(
    folder: Path,
    splits: dict[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    data: DataConfig,
) -> tuple[str, dict[str, dict[str, int]]]:
    """Returns the fingerprint and, of each split, the counts of `pack`."""
    ids = _special_ids(tokenizer)
    digest = hashlib.sha256(f"{data.packing} {data.max_length}".encode())
    counts = {}
    for split, documents in splits.items():
        (folder / split).mkdir()
        digest.update(f"\n{split} {len(documents)}\n".encode())
        counts[split] = pack(
            _encoded(documents, tokenizer.backend_tokenizer, digest=digest, split=split),
            folder / split,
            packing=data.packing,
            max_length=data.max_length,
            vocab_size=len(tokenizer),
            **ids,
        )
        if not counts[split]["blocks"]:
            raise UserError(_too_little(split, counts[split]["tokens"], data))
    return digest.hexdigest(), counts


def _documents(data: DataConfig, cache_dir: Path) -> tuple[dict[str, Dataset], dict[str, Any]]:
    """Returns the cleaned documents of each split, and how many were read and dropped."""
    read = sources.read(data, cache_dir=cache_dir)
    dropped = dict.fromkeys(("empty", "duplicate", "over_limit", "without_tokens"), 0)
    documents = {"read": sum(map(len, read.values()))}
    splits = {}
    for split, table in read.items():
        kept, why = clean(table, rules=data.clean, limit=data.limit)
        for reason, number in why.items():
            dropped[reason] += number
        if not len(kept):
            raise UserError(_no_text(split, len(table), data))
        splits[split] = table.select(kept)
    shares = {name: s for name, s in held_out(data).items() if not isinstance(s, str)}
    if shares:
        rows = hold_out(len(splits["train"]), shares=shares, seed=data.split.seed)
        splits |= {split: splits["train"].select(chosen) for split, chosen in rows.items()}
    order = [split for split in ("train", "validation", "test") if split in splits]
    return {split: splits[split] for split in order}, {"documents": documents, "dropped": dropped}


def _encoded(
    documents: Dataset, backend: Tokenizer, *, digest: Any, split: str
) -> Iterator[list[list[int]]]:
    """Yields token ids without special tokens, and feeds the texts to the fingerprint."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(backend.to_str())  # the caller's keeps its own settings
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # a text that speaks of [MASK] holds no mask
    bar = tqdm(
        total=len(documents), desc=f"tokenising {split}", unit=" documents", disable=None, delay=2
    )
    with bar:
        for texts in batches(each(documents)):
            for text in texts:
                encoded = text.encode()
                digest.update(len(encoded).to_bytes(8, "little") + encoded)
            batch = backend.encode_batch_fast(texts, add_special_tokens=False)
            yield [encoding.ids for encoding in batch]
            bar.update(len(texts))


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Tokenises in so many threads; afterwards processes may be forked without a warning."""
    if number:  # counts where the first tokenizer of a process begins, not later
        os.environ.setdefault("RAYON_NUM_THREADS", str(number))
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
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


def _origin(split: str, data: DataConfig) -> str:
    """Returns the key that says where the text of a split comes from, with its value."""
    if split != "train":
        return f"`data.split.{split}` ({data.split.model_dump()[split]})"
    key = {"hub": "name", "python_docs": "source"}.get(data.source, "path")
    return f"`data.{key}` ({getattr(data, key)})"


def _no_text(split: str, documents: int, data: DataConfig) -> str:
    if not documents:
        return f"{_origin(split, data)} must hold documents, but has none."
    has_columns = data.source not in ("text", "python_docs")
    where = f"; see `data.columns.text` ({data.columns.text})" if has_columns else ""
    return (
        f"{_origin(split, data)} must give text, but all of its {documents} documents are "
        f"empty{where}."
    )


def _too_little(split: str, tokens: int, data: DataConfig) -> str:
    needed = f"a row of `data.max_length` {data.max_length} needs {data.max_length - 2}"
    share = data.split.model_dump().get(split)
    if split == "train" or isinstance(share, str):
        return (
            f"{_origin(split, data)} must give more text: it has {tokens} tokens, and {needed}; "
            "add some, lower `data.max_length`, or take `data.packing=none`."
        )
    return (
        f"`data.split.{split}` must hold out more than {share}: that is {tokens} tokens, and "
        f"{needed}; raise it, lower `data.max_length`, or take `data.packing=none`."
    )
