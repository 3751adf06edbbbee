"""Peak memory while small and large text files are prepared, and the ratio of the two.

    python -m benchmarks.preprocessing_memory --texts reviews.txt [--megabytes 100 1000]

The files are made of the real lines of `--texts`, shuffled anew in each repetition, and prepared in
a process of their own with a tokenizer that is trained on the first 20,000 lines. What counts is
the memory of this process and all that it starts that is no file's: `RssAnon` and `RssShmem` of
/proc. Pages of memory-mapped files, which the kernel takes back when it needs them, are in the
second figure, `VmRSS`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from benchmarks.preprocessing import data_config, ours
from electralab.data.tokenizer import train_wordpiece

MB = 1_000_000


def write(texts: list[str], path: Path, megabytes: int) -> None:
    """Writes a file of about so many megabytes."""
    rng = random.Random(0)
    size = 0
    with open(path, "w", encoding="utf-8") as file:
        while size < megabytes * MB:
            rng.shuffle(texts)
            for text in texts:
                file.write(f"{text}\n")
                size += len(text.encode()) + 1
                if size >= megabytes * MB:
                    break


def tree(pid: int) -> list[int]:
    """Returns a process and all that it started."""
    try:
        threads = Path(f"/proc/{pid}/task").iterdir()
        children = [int(c) for t in threads for c in (t / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(child))]


def memory(pid: int) -> tuple[int, int]:
    """Returns the bytes of a tree of processes that are no file's, and all that are resident."""
    anonymous = resident = 0
    for each in tree(pid):
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        found = (line.split() for line in lines if line.endswith("kB"))  # none of what has ended
        kilobytes = {name: int(number) for name, number, _ in found}
        anonymous += kilobytes.get("RssAnon:", 0) + kilobytes.get("RssShmem:", 0)
        resident += kilobytes.get("VmRSS:", 0)
    return anonymous * 1024, resident * 1024


def peak(path: Path, tokenizer: Path, cache: Path) -> tuple[float, float, float]:
    """Prepares a file in another process; returns both peaks in megabytes, and seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.preprocessing_memory", "--of"]
    process = subprocess.Popen([*command, str(path), str(tokenizer), str(cache)])
    found = (0, 0)
    while process.poll() is None:
        found = tuple(map(max, found, memory(process.pid)))
        time.sleep(0.05)
    assert process.returncode == 0
    return found[0] / MB, found[1] / MB, time.perf_counter() - start


def main() -> None:
    if sys.argv[1:2] == ["--of"]:
        path, tokenizer, cache = map(Path, sys.argv[2:])
        assert ours(data_config(path), AutoTokenizer.from_pretrained(tokenizer), cache) > 0
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", required=True, help="a text a line")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--vocab-size", type=int, default=8000)
    options = parser.parse_args()
    texts = Path(options.texts).read_text(encoding="utf-8").splitlines()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder, "tokenizer")
        wordpiece = train_wordpiece(texts[:20_000], vocab_size=options.vocab_size, lowercase=True)
        wordpiece.save_pretrained(tokenizer)
        for megabytes in options.megabytes:
            path = Path(folder, f"{megabytes}.txt")
            write(texts, path, megabytes)
            anonymous, resident, seconds = peak(path, tokenizer, Path(folder, f"c{megabytes}"))
            peaks.append(anonymous)
            print(
                f"{megabytes:>6,} MB of text: peak {anonymous:,.0f} MB, with the pages of mapped "
                f"files {resident:,.0f} MB; {seconds:,.0f} s",
                flush=True,
            )
    print(f"{peaks[-1] / peaks[0]:.3f} times the memory of the smallest")


if __name__ == "__main__":
    main()
