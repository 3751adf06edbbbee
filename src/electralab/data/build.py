"""The work behind `prepare`, done where nothing earlier can be taken: from documents to rows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from electralab.data import origin, sources
from electralab.data.blocks import unigram
from electralab.data.clean import Kept, clean, hold_out
from electralab.data.files import held_out
from electralab.data.fingerprint import Fingerprint
from electralab.data.looking import Look
from electralab.data.on_disk import joined
from electralab.data.pack import pack
from electralab.data.ragged import Ragged
from electralab.data.rows import RowEncoder, write_rows
from electralab.data.texts import Texts
from electralab.data.token_ids import PlainTokenizer, special_ids, threads, tokenised
from electralab.data.tokenizer import train_tokenizer
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset
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
    tables, kept, counts, facts = _documents(data, columns, encoder, cache_dir, folder)
    with threads(data.num_proc):
        if not hasattr(tokenizer, "get_vocab"):
            tokenizer = train_tokenizer(tables["train"], kept["train"], tokenizer)
            tokenizer.save_pretrained(folder / "tokenizer")
        plain = PlainTokenizer(tokenizer) if encoder is None else None
        digest = hashlib.sha256(f"{data.packing if encoder is None else ''} {facts}".encode())
        written, looks = {}, {}
        for split, table in tables.items():
            look = Look(kept=kept[split], data=data, encoder=encoder, facts=facts)
            (folder / split).mkdir()
            digest.update(f"\n{split} {len(kept[split].rows)} {data.max_length}\n".encode())
            fingerprint = Fingerprint()
            if plain is not None:
                texts = Texts(table, kept[split], split, folder)
                ids = _tokenised(texts, plain, fingerprint=fingerprint, look=look)
                written[split] = _packed(ids, folder / split, texts, tokenizer, data)
            else:
                table = table.select(kept[split].rows)
                rows = _encoded(table, split, encoder, tokenizer, facts, fingerprint, look)
                written[split] = write_rows(rows, folder / split)
            digest.update(fingerprint.digest())
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
    if data.streaming:  # what is not read yet can only be named
        report["stream"] = {"head": len(tables["train"])}
        digest.update(json.dumps(sources.identity(data)).encode())
    return {"report": report, "facts": facts, "fingerprint": digest.hexdigest()}


def _documents(
    data: DataConfig,
    columns: Mapping[str, str],
    encoder: RowEncoder | None,
    cache_dir: Path,
    folder: Path,
) -> tuple[dict[str, Dataset], dict[str, Kept], dict[str, Any], dict[str, Any]]:
    """Returns for each split a table and what is kept of it; numbers read and dropped; facts."""
    read = sources.read(data, columns=columns, cache_dir=cache_dir)
    facts = encoder.learn(read) if encoder else {}
    how: dict[str, Any] = {"rules": data.clean, "limit": data.limit, "folder": folder}
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
            how["held_out"] = joined(elsewhere, folder)
        kept[split] = clean(table, **how)
        dropped.update(kept[split].dropped)
        if encoder is not None and data.clean.max_characters is None:
            origin.refuse_giants(split, kept[split], data)
        if not len(kept[split].rows):
            raise UserError(origin.nothing_left(split, len(table), kept[split].dropped, data))
    tables = {split: read.tables[split] for split in kept}
    shares = {name: s for name, s in held_out(data).items() if not isinstance(s, str)}
    if shares:
        whole, how = kept["train"], {"seed": data.split.seed, "folder": folder}
        for split, chosen in hold_out(len(whole.rows), shares=shares, **how).items():
            tables[split], kept[split] = tables["train"], whole.part(chosen, folder)
    order = [split for split in ("train", "validation", "test") if split in tables]
    if encoder is not None:
        for split in order:
            encoder.check(split, tables[split].select(kept[split].rows), facts)
    documents = {"read": sum(map(len, read.tables.values()))}
    counts = {"documents": documents, "dropped": dict(dropped)}
    return {split: tables[split] for split in order}, kept, counts, facts


def _encoded(
    table: Dataset,
    split: str,
    encoder: RowEncoder,
    tokenizer: PreTrainedTokenizerBase,
    facts: dict[str, Any],
    fingerprint: Fingerprint,
    look: Look,
) -> Iterator[dict[str, list[Any]]]:
    """Yields the columns of rows, and feeds the examples to the fingerprint."""
    bar = tqdm(total=len(table), desc=f"encoding {split}", unit=" examples", disable=None, delay=2)
    pages = table.with_format("arrow")
    with bar:
        for start in range(0, len(table), BATCH):
            page = pages[start : start + BATCH]
            fingerprint.feed(page)
            batch = page.to_pydict()
            yield look.see_rows(batch, encoder.encode(batch, tokenizer=tokenizer, facts=facts))
            bar.update(len(next(iter(batch.values()))))


def _packed(
    ids: Iterator[Ragged],
    folder: Path,
    texts: Texts,
    tokenizer: PreTrainedTokenizerBase,
    data: DataConfig,
) -> dict[str, int]:
    """Returns the counts of `pack`."""
    count = pack(
        ids,
        folder,
        packing=data.packing,
        max_length=data.max_length,
        vocab_size=len(tokenizer),
        **special_ids(tokenizer),
    )
    if not count["rows"]:
        raise UserError(origin.too_little(texts.split, count["tokens"], data))
    if not unigram(folder).any():
        raise UserError(origin.nothing_known(texts.split, count["tokens"], data))
    return count


def _tokenised(
    documents: Texts, tokenizer: PlainTokenizer, *, fingerprint: Fingerprint, look: Look
) -> Iterator[Ragged]:
    """Yields token ids without special tokens, and feeds the texts to the fingerprint."""

    def parts() -> Iterator[list[str]]:
        for table in documents.tables():
            fingerprint.feed(table)
            yield table["text"].to_pylist()

    name = f"tokenising {documents.split}"
    with tqdm(total=len(documents), desc=name, unit=" documents", disable=None, delay=2) as bar:
        for texts, ids in tokenised(parts(), tokenizer):
            look.see_documents(ids)
            yield ids
            bar.update(len(texts))
