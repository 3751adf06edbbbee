"""The work behind `prepare`, done where nothing earlier can be taken: from documents to rows."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from electralab.data import origin, sources
from electralab.data.batches import PIECE, batches, each, pieces
from electralab.data.blocks import unigram
from electralab.data.clean import Kept, clean, hold_out
from electralab.data.files import held_out
from electralab.data.looking import Look
from electralab.data.pack import pack
from electralab.data.rows import RowEncoder, write_rows
from electralab.data.tokenizer import train_tokenizer
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

    from electralab.config import DataConfig
    from electralab.data.prepare import TrainTokenizer

BATCH = 1000  # examples that are encoded in one go


def build(
    folder: Path,
    *,
    data: DataConfig,
    columns: Mapping[str, str],
    encoder: RowEncoder | None,
    tokenizer: PreTrainedTokenizerBase | TrainTokenizer,
    cache_dir: Path,
) -> dict[str, Any]:
    """Writes a folder a split, and the tokenizer if it was trained.

    Args:
        folder: An empty folder.
        data: The configuration's `data` node.
        columns: The column of each role that is read.
        encoder: How an example becomes a row; none: texts become token blocks.
        tokenizer: A tokenizer, or how to train one.
        cache_dir: Where what is read is kept.

    Returns:
        The ``report``, ``facts`` and ``fingerprint`` of `Prepared`.

    Raises:
        UserError: The source, its texts or the tokenizer are not as they should be.
    """
    splits, kept, counts, facts = _documents(data, columns, encoder, cache_dir)
    with _threads(data.num_proc):
        if not hasattr(tokenizer, "get_vocab"):
            tokenizer = train_tokenizer(splits["train"], tokenizer)
            tokenizer.save_pretrained(folder / "tokenizer")
        digest = hashlib.sha256(f"{data.packing if encoder is None else ''} {facts}".encode())
        written, looks = {}, {}
        for split, table in splits.items():
            look = Look(kept=kept[split], data=data, encoder=encoder, facts=facts)
            (folder / split).mkdir()
            digest.update(f"\n{split} {len(table)} {data.max_length}\n".encode())
            if encoder is None:
                written[split] = _packed(
                    table, split, folder / split, tokenizer, data, digest, look
                )
            else:
                rows = _encoded(table, split, encoder, tokenizer, facts, digest, look)
                written[split] = write_rows(rows, folder / split)
            if split == "train":
                looks[split] = look.report()
            else:
                looks[split] = look.report(kept["train"], alike=looks["train"])
    report: dict[str, Any] = {**counts, "tokens": {}, "rows": {}, "vocab_size": len(tokenizer)}
    report["splits"] = looks
    for split, count in written.items():
        report["documents"][split] = count["documents"]
        report["dropped"]["without_tokens"] += count.get("without_tokens", 0)
        report["tokens"][split] = count["tokens"]
        report["rows"][split] = count["rows"]
    return {"report": report, "facts": facts, "fingerprint": digest.hexdigest()}


def _documents(
    data: DataConfig, columns: Mapping[str, str], encoder: RowEncoder | None, cache_dir: Path
) -> tuple[dict[str, Dataset], dict[str, Kept], dict[str, Any], dict[str, Any]]:
    """Returns the cleaned documents of each split, how many were read and dropped, and facts."""
    read = sources.read(data, columns=columns, cache_dir=cache_dir)
    facts = encoder.learn(read) if encoder else {}
    how: dict[str, Any] = {"rules": data.clean, "limit": data.limit}
    if encoder is not None:
        how["stray"] = lambda label: encoder.stray(label, facts)
        how["unlabelled"] = "label" in columns and encoder.null_is_none
    kept: dict[str, Kept] = {}
    dropped: Counter[str] = Counter(without_tokens=0)
    for split in ("validation", "test", "train"):  # train last: it can have held-out texts too
        if (table := read.tables.get(split)) is None:
            continue
        elsewhere = [other.keys for other in kept.values()]
        if split == "train" and elsewhere:
            how["held_out"] = np.concatenate(elsewhere)
        kept[split] = clean(table, **how)
        dropped.update(kept[split].dropped)
        if encoder is not None and data.clean.max_characters is None:
            origin.refuse_giants(split, kept[split], data)
        if not len(kept[split].rows):
            raise UserError(origin.nothing_left(split, len(table), kept[split].dropped, data))
    tables = {split: read.tables[split].select(part.rows) for split, part in kept.items()}
    shares = {name: s for name, s in held_out(data).items() if not isinstance(s, str)}
    if shares:
        whole, table = kept["train"], tables["train"]
        for split, chosen in hold_out(len(table), shares=shares, seed=data.split.seed).items():
            tables[split], kept[split] = table.select(chosen), whole.part(chosen)
    order = [split for split in ("train", "validation", "test") if split in tables]
    if encoder is not None:
        for split in order:
            encoder.check(split, tables[split], facts)
    documents = {"read": sum(map(len, read.tables.values()))}
    counts = {"documents": documents, "dropped": dict(dropped)}
    return {split: tables[split] for split in order}, kept, counts, facts


def _encoded(
    table: Dataset,
    split: str,
    encoder: RowEncoder,
    tokenizer: PreTrainedTokenizerBase,
    facts: dict[str, Any],
    digest: Any,
    look: Look,
) -> Iterator[dict[str, list[Any]]]:
    """Yields the columns of rows, and feeds the examples to the fingerprint."""
    bar = tqdm(total=len(table), desc=f"encoding {split}", unit=" examples", disable=None, delay=2)
    with bar:
        for start in range(0, len(table), BATCH):
            batch = table[start : start + BATCH]
            for values in batch.values():
                for value in values:
                    _feed(digest, value)
            yield look.see_rows(batch, encoder.encode(batch, tokenizer=tokenizer, facts=facts))
            bar.update(len(next(iter(batch.values()))))


def _packed(
    table: Dataset,
    split: str,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    data: DataConfig,
    digest: Any,
    look: Look,
) -> dict[str, int]:
    """Returns the counts of `pack`."""
    ids = _special_ids(tokenizer)
    count = pack(
        _tokenised(table, tokenizer.backend_tokenizer, digest=digest, split=split, look=look),
        folder,
        packing=data.packing,
        max_length=data.max_length,
        vocab_size=len(tokenizer),
        **ids,
    )
    if not count["rows"]:
        raise UserError(origin.too_little(split, count["tokens"], data))
    if not unigram(folder).any():
        raise UserError(origin.nothing_known(split, count["tokens"], data))
    return count


def _tokenised(
    documents: Dataset, backend: Tokenizer, *, digest: Any, split: str, look: Look
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
                _feed(digest, text)
            ids = _ids(texts, backend)
            look.see_documents(ids)
            yield ids
            bar.update(len(texts))


def _ids(texts: list[str], backend: Tokenizer) -> list[list[int]]:
    """Returns the ids of some texts; one that is longer than a piece is encoded piece by piece."""
    if all(len(text) <= PIECE for text in texts):
        batch = backend.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in batch]
    return [
        np.concatenate(
            [
                np.array(backend.encode(piece, add_special_tokens=False).ids, dtype=np.uint32)
                for piece in pieces(text)
            ]
        )
        for text in texts
    ]


def _feed(digest: Any, text: str | None) -> None:
    encoded = b"\xff" if text is None else text.encode()  # \xff is in no UTF-8
    digest.update(len(encoded).to_bytes(8, "little") + encoded)


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
