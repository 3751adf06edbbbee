"""From a data source to rows on disk, once for the same source, settings and tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from electralab.data.blocks import TOKENS, TokenBlocks, entropy, unigram
from electralab.data.filling import filling
from electralab.data.rows import EncodedRows, RowEncoder
from electralab.data.sources import identity
from electralab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerBase

    from electralab.config import DataConfig
    from electralab.data.streaming import StreamedBlocks

FORMAT = 4  # goes up when the code below gives other blocks or reports from the same texts
SPLITS = ("train", "validation", "test")
META = "meta.json"


@dataclass(frozen=True, kw_only=True)
class TrainTokenizer:
    """Asks for a tokenizer that is trained on the train split.

    Args:
        vocab_size: Pieces wanted, special tokens included.
        lowercase: Whether case is folded.
        kind: ``wordpiece`` for an encoder, ``bpe`` for an encoder with a decoder.
    """

    vocab_size: int
    lowercase: bool
    kind: str = "wordpiece"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything that a training run needs of its data.

    Args:
        train: The rows to train on.
        validation: The held-out rows, if any.
        test: The rows for the end, if any.
        tokenizer: What made the ids.
        unigram: Share of each token in the train split, special ones 0, of shape ``(vocab_size,)``.
        unigram_entropy: Entropy of ``unigram`` in nats: the loss of a generator that knows only how
            frequent each token is. Both are empty and 0 where rows are no blocks.
        report: ``documents`` (read and by split), ``dropped`` (by reason), ``tokens`` and
            ``rows`` (by split), ``vocab_size``, ``splits`` (each as `Look.report` says); of blocks
            also ``packing``, as `filling` says.
        facts: What the encoder found out, such as ``labels``; empty for token blocks.
        fingerprint: SHA-256 of the documents of every split and of how rows are made of them.
        folder: Where the rows lie.
        from_cache: Whether an earlier run had prepared them.
        by_length: Further rows to train on, of other lengths.
    """

    train: TokenBlocks | EncodedRows | StreamedBlocks
    validation: TokenBlocks | EncodedRows | None
    test: TokenBlocks | EncodedRows | None
    tokenizer: PreTrainedTokenizerBase
    unigram: np.ndarray
    unigram_entropy: float
    report: dict[str, Any]
    facts: dict[str, Any]
    fingerprint: str
    folder: Path
    from_cache: bool
    by_length: dict[int, TokenBlocks] = field(default_factory=dict)


def prepare(
    *,
    data: DataConfig,
    columns: Mapping[str, str],
    encoder: RowEncoder | None,
    tokenizer: PreTrainedTokenizerBase | TrainTokenizer,
    cache_dir: Path,
) -> Prepared:
    """Prepares a data source, or takes what an earlier run prepared from the same.

    "The same" means the same files by path, size and time (or hub revision, or versions of the
    embedded corpus), the same settings and the same tokenizer. Several processes may ask at once:
    one prepares, the others wait.

    Args:
        data: The configuration's `data` node.
        columns: The column of each role that is read.
        encoder: How an example becomes a row; none: texts become token blocks.
        tokenizer: A tokenizer, or how to train one.
        cache_dir: Holds ``prepared/<key>/`` and ``datasets/``.

    Raises:
        UserError: The source, its texts or the tokenizer are not as they should be.
    """
    from filelock import FileLock

    settings = _settings(data, columns, encoder, tokenizer)
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]
    folder = Path(cache_dir).absolute() / "prepared" / key
    prepared = _open(folder, tokenizer, from_cache=True)
    if prepared:
        return _streamed(prepared, data, columns)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        prepared = _open(folder, tokenizer, from_cache=True)  # done while we waited
        if prepared:
            return _streamed(prepared, data, columns)
        from electralab.data.build import build

        unfinished = folder.with_suffix(".tmp")
        for leftover in (folder, unfinished):  # damaged, or of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir()
        try:
            how = {"data": data, "columns": columns, "encoder": encoder, "tokenizer": tokenizer}
            meta = build(unfinished, **how, cache_dir=Path(cache_dir))
            _finish(unfinished, {**meta, "settings": settings})
            os.replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    prepared = _open(folder, tokenizer, from_cache=False)
    if not prepared:
        raise UserError(f"`output_dir`: {folder} was written but cannot be read back.")
    return _streamed(prepared, data, columns)


def _streamed(prepared: Prepared, data: DataConfig, columns: Mapping[str, str]) -> Prepared:
    """Lets the rows of a stream be followed by those that are made while they are read."""
    if not data.streaming:
        return prepared
    from electralab.data.streaming import StreamedBlocks

    rows = StreamedBlocks(prepared, data=data, columns=columns)
    return replace(prepared, train=rows)


def tokenizer_identity(tokenizer: PreTrainedTokenizerBase | TrainTokenizer) -> list[Any]:
    """Returns what decides which ids a tokenizer gives, for JSON."""
    if isinstance(tokenizer, TrainTokenizer):
        wanted = [tokenizer.kind, tokenizer.vocab_size, tokenizer.lowercase]
        return ["train", *wanted, version("tokenizers")]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = (
        json.dumps(tokenizer.get_vocab(), sort_keys=True) if backend is None else backend.to_str()
    )
    content = hashlib.sha256(text.encode()).hexdigest()
    return [content, tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.all_special_ids]


def _settings(
    data: DataConfig,
    columns: Mapping[str, str],
    encoder: RowEncoder | None,
    tokenizer: PreTrainedTokenizerBase | TrainTokenizer,
) -> dict[str, Any]:
    """Returns all that the rows depend on."""
    chosen = data.model_dump(include={"source", "unit", "limit", "max_length", "clean", "split"})
    if data.streaming:
        chosen["streaming"] = True
    return {
        "format": FORMAT,
        "data": chosen,
        "columns": dict(columns),
        "rows": data.packing if encoder is None else encoder.settings,
        "source": identity(data),
        "tokenizer": tokenizer_identity(tokenizer),
    }


def _finish(folder: Path, meta: dict[str, Any]) -> None:
    """Writes `meta.json`, the last file, with the sizes of all others."""
    if (folder / "train" / TOKENS).is_file():
        counts = unigram(folder / "train")
        np.save(folder / "unigram.npy", counts / max(1.0, counts.sum()))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    with open(folder / META, "w", encoding="utf-8") as file:
        json.dump({**meta, "sizes": sizes}, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def _open(
    folder: Path, tokenizer: PreTrainedTokenizerBase | TrainTokenizer, *, from_cache: bool
) -> Prepared | None:
    """Returns what lies in a folder, None if it is not there or not whole."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        for name, size in meta["sizes"].items():
            if (folder / name).stat().st_size != size:
                return None
        blocks = (folder / "train" / TOKENS).is_file()
        rows = TokenBlocks if blocks else EncodedRows
        splits = {
            split: rows(folder / split) if (folder / split).is_dir() else None for split in SPLITS
        }
        probabilities = np.load(folder / "unigram.npy") if blocks else np.empty(0)
        found = {name: meta[name] for name in ("report", "facts", "fingerprint")}
        if blocks:
            found["report"]["packing"] = filling(splits, found["report"]["documents"])
    except (OSError, ValueError, KeyError):
        return None
    if isinstance(tokenizer, TrainTokenizer):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", trust_remote_code=False)
    return Prepared(
        **splits,
        tokenizer=tokenizer,
        unigram=probabilities,
        unigram_entropy=entropy(probabilities),
        **found,
        folder=folder,
        from_cache=from_cache,
    )
