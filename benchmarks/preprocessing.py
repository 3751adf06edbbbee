"""Seconds from a text file to token blocks: ours against 🤗's `map` recipe and the tokenizer alone.

    python -m benchmarks.preprocessing --texts reviews.txt [--words 1000000] [--rounds 5]

The tokenizer alone: `encode_batch_fast` over texts that are in memory already. Ours: `prepare` with
a fixed tokenizer, from the file to memory-mapped blocks: reading, cleaning, splitting, looking,
hashing, tokenising, packing. 🤗's recipe: `load_dataset("text")`, then `map` with the tokenizer and
`map` with `group_texts` as in their `run_mlm.py`, batched, in two processes. All take turns in one
process, their caches emptied before each. Wall seconds, and seconds of all cores together, which
say more where the machine has other work.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import yaml
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from electralab.config import DataConfig
from electralab.data.prepare import prepare
from electralab.data.tokenizer import train_wordpiece

ROOT = Path(__file__).parents[1]
LENGTH = 128
OURS, ALONE, MAP = "ours", "tokenizer alone", "🤗 map"


def take(path: Path, words: int) -> list[str]:
    """Returns the first lines of a file, of about so many words."""
    texts, count = [], 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            if count >= words:
                break
            texts.append(line.rstrip("\r\n"))
            count += len(line.split())
    return texts


def alone(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokenises texts that are in memory; returns the number of tokens."""
    backend = tokenizer.backend_tokenizer
    batch = 5000
    return sum(
        len(encoding)
        for start in range(0, len(texts), batch)
        for encoding in backend.encode_batch_fast(
            texts[start : start + batch], add_special_tokens=False
        )
    )


def data_config(path: Path, **changes: object) -> DataConfig:
    """Returns the keys of `data` at their defaults, for a text file."""
    keys = yaml.safe_load((ROOT / "conf" / "data" / "keys.yaml").read_text())
    return DataConfig.model_validate(
        keys | {"source": "text", "path": str(path), "max_length": LENGTH} | changes
    )


def ours(config: DataConfig, tokenizer: PreTrainedTokenizerBase, cache: Path) -> int:
    """Prepares a file; returns the number of tokens."""
    how = {"columns": {"text": "text"}, "encoder": None, "cache_dir": cache}
    data = prepare(data=config, tokenizer=tokenizer, **how)
    assert not data.from_cache
    return sum(data.report["tokens"].values())


def mapped(path: Path, tokenizer: PreTrainedTokenizerBase, cache: Path) -> int:
    """Tokenises and packs as 🤗's `run_mlm.py` does; returns the number of tokens."""
    import datasets

    datasets.disable_progress_bars()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as its processes have it
    table = datasets.load_dataset("text", data_files=str(path), split="train", cache_dir=str(cache))

    def tokenize_function(examples: dict) -> dict:
        return tokenizer(examples["text"], return_special_tokens_mask=True)

    def group_texts(examples: dict) -> dict:
        concatenated = {k: list(chain(*examples[k])) for k in examples}
        total = len(concatenated["input_ids"]) // LENGTH * LENGTH
        return {
            k: [t[i : i + LENGTH] for i in range(0, total, LENGTH)] for k, t in concatenated.items()
        }

    how = {"batched": True, "num_proc": 2}
    table = table.map(tokenize_function, **how, remove_columns=["text"])
    return LENGTH * len(table.map(group_texts, **how))


def measured(work: Callable[[], int]) -> tuple[float, float]:
    """Returns the wall seconds of some work, and the seconds of its processes on all cores."""

    def cores() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    wall, cpu = time.perf_counter(), cores()
    assert work() > 0
    return time.perf_counter() - wall, cores() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="a text a line")
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--vocab-size", type=int, default=30522)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="where our time goes, and no more")
    options = parser.parse_args()
    texts = take(Path(options.texts), options.words)
    with tempfile.TemporaryDirectory() as folder:
        path, cache, saved = (Path(folder, name) for name in ("texts.txt", "cache", "tokenizer"))
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        train_wordpiece(
            texts[:: max(1, len(texts) // 20_000)], vocab_size=options.vocab_size, lowercase=True
        ).save_pretrained(saved)
        tokenizer = AutoTokenizer.from_pretrained(saved)
        tokenizer.model_max_length = 1 << 40  # lest long texts give a warning
        config = data_config(path)
        works = {
            ALONE: lambda: alone(texts, tokenizer),
            OURS: lambda: ours(config, tokenizer, cache),
            MAP: lambda: mapped(path, tokenizer, cache),
        }
        if options.profile:
            works[OURS]()
            shutil.rmtree(cache)
            with cProfile.Profile() as profile:
                works[OURS]()
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
            return
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for number in range(options.rounds + 1):
            for name, work in works.items():
                os.environ["TOKENIZERS_PARALLELISM"] = "true"
                shutil.rmtree(cache, ignore_errors=True)
                found = measured(work)
                if number:  # the first round warms up
                    seconds[name].append(found)
    words = sum(len(text.split()) for text in texts)
    print(f"{words:,} words in {len(texts):,} texts; median of {options.rounds}")
    for name, found in seconds.items():
        wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:<16} {wall:7.3f} s, {cpu:7.3f} s of all cores, {words / wall:11,.0f} words/s")
    for other, one in ((OURS, ALONE), (MAP, OURS)):
        pairs = list(zip(seconds[other], seconds[one], strict=True))
        wall, cpu = (statistics.median(a[at] / b[at] for a, b in pairs) for at in (0, 1))
        print(f"{other} takes {wall:.2f} times as long as {one} ({cpu:.2f} times the work)")


if __name__ == "__main__":
    main()
