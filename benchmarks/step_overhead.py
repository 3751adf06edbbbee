"""Time of our training step against that of the bare 🤗 Trainer on the same model and rows.

    python benchmarks/step_overhead.py [--model electra_tiny] [--batch 16] [--length 128]

Both run in one process, in turns, previews, metrics and logging included; the median of the ratios
of processor time. Run it with OMP_NUM_THREADS=1, for threads that wait spin.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from types import SimpleNamespace

import transformers
from transformers import BertTokenizer, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

from benchmarks.common import RandomRows, collator, load_pair, task_config
from electralab.tasks.preview import PreviewCallback
from electralab.tasks.preview_rtd import preview
from electralab.tasks.rtd import ReplacedTokenDetection
from electralab.tracking.callback import RunCallback
from electralab.tracking.run import tracked_run
from electralab.tracking.store import Store
from electralab.training.progress import LinePrinter
from electralab.training.trainer import ExperimentTrainer

# Processor seconds of all threads: other programs on the machine do not count.
CLOCK = time.process_time


class Clock(TrainerCallback):
    """Times whole steps from the end of the second to the end of the last one."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 2:
            self.start = CLOCK()
        if state.global_step == state.max_steps:
            self.seconds = (CLOCK() - self.start) / (state.max_steps - 2)


def names(vocab_size: int) -> BertTokenizer:
    """Returns a tokenizer whose pieces are numbers: its part in a preview is to name tokens."""
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = [*special, *map(str, range(len(special), vocab_size))]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="electra_tiny")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--steps", type=int, default=52)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    pair = load_pair(options.model, dropout=0.0)
    rows = RandomRows(4096, options.length, pair.config.discriminator.vocab_size)
    tokenizer = names(pair.config.discriminator.vocab_size)
    collate = collator(options.length)
    task = ReplacedTokenDetection(
        config=task_config("rtd"), data=SimpleNamespace(max_length=options.length)
    )
    arguments = {
        "max_steps": options.steps,
        "per_device_train_batch_size": options.batch,
        "logging_steps": 10,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }

    def ours(folder: str) -> float:
        clock = Clock()
        shown = PreviewCallback(
            every=50,
            make=lambda model, step: preview(
                model, tokenizer=tokenizer, collate=collate, sentences=rows.rows[:2, :32], step=step
            ),
        )
        with tracked_run(
            Store(mode="off"), experiment="benchmark", run_name="ours", params={}
        ) as run:
            trainer = ExperimentTrainer(
                model=copy.deepcopy(pair),
                args=Seq2SeqTrainingArguments(output_dir=folder, **arguments),
                train_dataset=rows,
                data_collator=collate,
                eval_collator=collate,
                task=task,
                callbacks=[clock, shown, RunCallback(run), LinePrinter()],
            )
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train()
        return clock.seconds

    def bare(folder: str) -> float:
        clock = Clock()
        trainer = Seq2SeqTrainer(
            model=copy.deepcopy(pair),
            args=Seq2SeqTrainingArguments(output_dir=folder, **arguments),
            train_dataset=rows,
            data_collator=collate,
            callbacks=[clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return clock.seconds

    ratios, times = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            order = (ours, bare) if number % 2 else (bare, ours)
            seconds = {run: run(folder) for run in order}
            ratios.append(seconds[ours] / seconds[bare])
            times.append(seconds[ours])
            print(f"round {number}: ratio {ratios[-1]:.3f}", file=sys.stderr)
    print(
        f"{options.model} {options.batch}x{options.length}: our step "
        f"{statistics.median(times):.3f} s, {statistics.median(ratios):.3f} of the bare Trainer's "
        f"(median of {options.rounds})"
    )


if __name__ == "__main__":
    main()
