"""Runs of every task, run again: are they identical, and is what changed in between said first?

    python -m benchmarks.reruns [--threads 2]

Four tasks with three settings each, small models on generated texts, each run in a process of its
own and its rerun in another, which is started with another number of threads than the run had.
Every second run is taken from the store alone, after its folder is removed. Then three reruns after
a change: of one byte of the data, of one installed package's version, of one line of the code.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import electralab

WORDS = """the path of a file is returned as text if it can be read and none otherwise so that
callers may open close write or remove it without an error when names of folders change"""
ENCODER = """model.vocab_size=300 model.hidden_size=32 model.embedding_size=32
model.intermediate_size=64 model.num_hidden_layers=2 model.max_position_embeddings=64"""
GENERATOR = """model.generator.hidden_size=16 model.generator.num_hidden_layers=1
model.generator.intermediate_size=32"""
MARIAN = """model.vocab_size=300 model.hidden_size=32 model.intermediate_size=64
model.num_hidden_layers=1 model.max_position_embeddings=64"""
COMMON = """data.max_length=32 data.split.validation=0.1 data.num_proc=1 trainer.max_steps=40
trainer.per_device_train_batch_size=8 trainer.logging_steps=10 trainer.eval_strategy=steps
trainer.eval_steps=20 trainer.save_strategy=steps trainer.save_steps=20"""
TEXT = "data=text data.path=corpus.txt"
RTD = f"task=rtd model=electra_tiny {TEXT} {ENCODER} {GENERATOR}"
MLM = f"task=mlm model=electra_tiny {TEXT} {ENCODER}"
LABELS = "task=classification data=csv data.path=pairs.csv data.split.test=0.2 trainer.bf16=false"
TRANSLATION = "task=translation data=moses data.path=[a.en,a.fr] data.split.test=0.1"
FROM = "model=auto model.dropout=0.1 model.name_or_path={start}"
RUNS = {
    "rtd, from scratch": f"{RTD} seed=3",
    "rtd, a text a row, accumulated, workers": f"{RTD} data.packing=none"
    " model.share_embeddings=none trainer.gradient_accumulation_steps=2"
    " trainer.dataloader_num_workers=2",
    "rtd, from a run, a job of a sweep": f"-m task=rtd {TEXT} {FROM} seed=4,5",
    "mlm, from scratch, bf16": f"{MLM} trainer.bf16=true",
    "mlm, whole words, no dropout": f"{MLM} task.whole_word=true model.dropout=0",
    "mlm, from a run, cosine schedule": f"task=mlm {TEXT} {FROM} trainer.lr_scheduler_type=cosine",
    "classification, from scratch, pairs": f"{LABELS} data.columns.text_pair=other"
    f" model=electra_tiny {ENCODER}",
    "classification, weights, early stopping": f"{LABELS} model=electra_tiny {ENCODER}"
    " task.class_weights=balanced trainer.early_stopping_patience=1"
    " trainer.load_best_model_at_end=true trainer.metric_for_best_model=eval_accuracy",
    "classification, from a run, layer decay": f"{LABELS} {FROM} task.layer_decay=0.8",
    "translation, from scratch": f"{TRANSLATION} {MARIAN}",
    "translation, no smoothing, beams": f"{TRANSLATION} {MARIAN} task.label_smoothing=0"
    " task.eval_num_beams=2",
    "translation, bf16, other seed": f"{TRANSLATION} {MARIAN} trainer.bf16=true seed=7",
}


def main() -> int:
    """Prints a line a rerun and a total; returns 1 unless all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="of the runs; reruns begin with 1")
    threads = parser.parse_args().threads
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        write_data(here)
        start = _run(here, f"{RTD} {COMMON} name=start", threads)
        identical = sum(
            _study(here, name, words.format(start=start), threads, gone=number % 2 == 1)
            for number, (name, words) in enumerate(RUNS.items())
        )
        print(f"{identical} of {len(RUNS)} identical", flush=True)
        said = _changes(here, start)
        print(f"{said} of 3 changes said first")
    return int(identical < len(RUNS) or said < 3)


def _study(here: Path, name: str, words: str, threads: int, *, gone: bool) -> bool:
    folder = _run(here, f"{words} {COMMON}", threads)
    run_id = json.loads((folder / "run.json").read_text())["run_id"]
    if gone:
        shutil.rmtree(folder)
    began = time.monotonic()
    done = _electralab(here, ["rerun", run_id], threads=1)
    last = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["nothing"])[-1]
    warned = sum(line.startswith("differs: ") for line in done.stderr.splitlines())
    from_where = "store " if gone else "folder"
    seconds = time.monotonic() - began
    print(f"{name:<42} {from_where} {seconds:4.0f} s  {warned} warnings  {last}", flush=True)
    return last == "identical" and done.returncode == 0


def _changes(here: Path, start: Path) -> int:
    """Changes one thing at a time; returns how often the first line of a rerun says so."""
    said = 0
    corpus = here / "corpus.txt"
    text = corpus.read_bytes()
    corpus.write_bytes(bytes([text[0] ^ 1]) + text[1:])
    done = _electralab(here, ["rerun", str(start)], threads=1)
    corpus.write_bytes(text)
    said += _first_line("one byte of the data", done, "corpus.txt has other content", status=2)

    other = here / "packages"
    (other / "sacrebleu-0.1.dist-info").mkdir(parents=True)
    (other / "sacrebleu-0.1.dist-info" / "METADATA").write_text("Name: sacrebleu\nVersion: 0.1\n")
    done = _electralab(here, ["rerun", str(start)], threads=1, path=other)
    said += _first_line("one package's version", done, "package sacrebleu: 0.1 now", status=0)

    sources, root = here / "sources", Path(electralab.__file__).parent
    shutil.copytree(root, sources / "electralab", ignore=shutil.ignore_patterns("__pycache__"))
    if not (conf := sources / "electralab" / "conf").exists():  # of an editable install
        shutil.copytree(root.parents[1] / "conf", conf)
    changed = sources / "electralab" / "drawing.py"
    changed.write_text(changed.read_text() + "# another line\n")
    done = _electralab(here, ["rerun", str(start)], threads=1, path=sources)
    said += _first_line("one line of the code", done, "code: the source of electralab", status=0)
    return said


def _first_line(name: str, done: subprocess.CompletedProcess, part: str, *, status: int) -> bool:
    first = (done.stderr.splitlines() or ["nothing"])[0]
    print(f"{name:<42} exit status {done.returncode}; first line: {first}", flush=True)
    return part in first and done.returncode == status


def _run(here: Path, words: str, threads: int) -> Path:
    """Runs something to its end; returns the folder of its last run."""
    done = _electralab(here, words.split(), threads=threads)
    if done.returncode != 0:
        sys.exit(f"{words}\n{done.stderr}")
    folders = [path.parent for path in here.glob("outputs/**/run.json")]
    return max(folders, key=lambda folder: (folder / "summary.json").stat().st_mtime)


def _electralab(
    here: Path, words: list[str], *, threads: int, path: Path | None = None
) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if path:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, "-m", "electralab", *words]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)


def write_data(here: Path) -> None:
    rng = random.Random(0)

    def sentence(most: int = 30) -> str:
        return " ".join(rng.choices(WORDS.split(), k=rng.randint(4, most)))

    (here / "corpus.txt").write_text("".join(f"{sentence()}\n" for _ in range(400)))
    rows = [f"{sentence(9)},{sentence(9)},{rng.choice('aab')}\n" for _ in range(300)]
    (here / "pairs.csv").write_text("text,other,label\n" + "".join(rows))
    english = [sentence(9) for _ in range(300)]
    (here / "a.en").write_text("".join(f"{line}\n" for line in english))
    (here / "a.fr").write_text("".join(f"{line[::-1]}\n" for line in english))


if __name__ == "__main__":
    sys.exit(main())
