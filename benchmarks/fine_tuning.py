"""Fine-tuning a classifier: ours against the plain 🤗 Trainer with dynamic padding.

    python -m benchmarks.fine_tuning --data ratings_train.txt [--rows 20000] [WORDS …]
    python -m benchmarks.fine_tuning --data ratings_train.txt --epochs 1 --seeds 3

The same rows, tokenizer, fresh weights and arguments; the plain side draws random batches and pads
each to its longest. Speed: stretches of a few steps take turns in one process, loading, optimiser
and logging included; the median of the ratios of real tokens a second. Accuracy: whole trainings
with their evaluations, a seed after the other. WORDS are overrides of ours, such as
``model=electra_tiny`` or ``data.packing=separate``. On a busy machine: OMP_NUM_THREADS=1 and
--busy.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
)

from benchmarks.plain_trainer import accuracy
from electralab.cli import parse_flags
from electralab.command.points import typed
from electralab.running.origins import find_origins
from electralab.tasks import task_class
from electralab.tracking.store import Store
from electralab.training import session
from electralab.training.build import build_trainer
from electralab.training.determinism import quiet_libraries, seed_everything
from electralab.training.preparing import fastest_attention

WARM = 2  # steps of a stretch that are not timed


class Clock(TrainerCallback):
    """Times the steps of a stretch behind the first few."""

    now = staticmethod(time.perf_counter)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == WARM:
            self.start = self.now()
        if state.global_step == state.max_steps:
            self.seconds = self.now() - self.start


class Counted:
    """A collator that remembers how many real and how many padded tokens it gave."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate
        self.real: list[int] = []
        self.padded: list[int] = []

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = self.collate(rows)
        self.real.append(sum(len(row["input_ids"]) for row in rows))
        self.padded.append(batch["input_ids"].numel())
        return batch


class Side:
    """What both trainings start from."""

    def __init__(self, words: list[str], cache: str) -> None:
        quiet_libraries()
        self.config = typed(parse_flags([*words, f"output_dir={cache}"])).points[0].config
        origins = find_origins(self.config, store=Store(mode="off"), output_dir=Path(cache))
        self.name = origins.model
        self.task = task_class("classification")(config=self.config.task, data=self.config.data)
        tokenizer = origins.tokenizer(self.config.model, task="classification")
        self.data = self.task.prepare(tokenizer=tokenizer, cache_dir=Path(cache))
        names = [name for name in self.data.train.table.column_names if name != "length"]
        self.plain_rows = {
            split: getattr(self.data, split).table.select_columns(names)
            for split in ("train", "validation")
        }

    def model(self, seed: int, arguments: Any) -> torch.nn.Module:
        """Returns a model as a run has it."""
        seed_everything(seed, deterministic=False)
        attention = fastest_attention(self.config, arguments)
        model = self.config.model.model_copy(update={"attention": attention})
        how = {"name_or_path": self.name, "generator": None}
        return self.task.build_model(model=model, data=self.data, **how).model

    def plain_model(self, seed: int, arguments: Any) -> torch.nn.Module:
        """Returns the same weights in a model as 🤗 Transformers has it."""
        ours = self.model(seed, arguments)
        config = type(ours.config).from_dict(ours.config.to_dict())
        plain = AutoModelForSequenceClassification.from_config(config)
        plain.load_state_dict(ours.state_dict())
        return plain

    def arguments(self, folder: str, seed: int, **changes: Any) -> Any:
        """Returns the arguments of both."""
        quiet = {"save_strategy": "no", "disable_tqdm": True, "eval_strategy": "no"}
        trainer = {**self.config.trainer, **quiet, **changes}
        config = self.config.model_copy(update={"trainer": trainer, "seed": seed})
        return session.training_arguments(config, Path(folder))

    def ours(self, seed: int, **changes: Any) -> tuple[Trainer, Counted]:
        with tempfile.TemporaryDirectory() as folder:
            arguments = self.arguments(folder, seed, **changes)
            trainer = build_trainer(
                task=self.task,
                model=self.model(seed, arguments),
                arguments=arguments,
                data=self.data,
                seed=seed,
                early_stopping_patience=None,
                callbacks=[],
            )
        counted = trainer.data_collator = Counted(trainer.data_collator)
        return _quiet(trainer), counted

    def plain(self, seed: int, **changes: Any) -> tuple[Trainer, Counted]:
        counted = Counted(DataCollatorWithPadding(self.data.tokenizer))
        with tempfile.TemporaryDirectory() as folder:
            arguments = self.arguments(folder, seed, **changes)
            arguments.remove_unused_columns = True
            trainer = Trainer(
                model=self.plain_model(seed, arguments),
                args=arguments,
                train_dataset=self.plain_rows["train"],
                eval_dataset=self.plain_rows["validation"],
                data_collator=counted,
                compute_metrics=accuracy,
            )
        return _quiet(trainer), counted


def _quiet(trainer: Trainer) -> Trainer:
    for shown in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(shown)
    trainer.add_callback(Clock())
    return trainer


def stretch(make: Any, seed: int, steps: int) -> tuple[float, float, float, float]:
    """Returns real tokens and rows a second of a few steps, and real and padded tokens."""
    trainer, counted = make(seed, max_steps=steps)
    trainer.train()
    clock = next(one for one in trainer.callback_handler.callbacks if isinstance(one, Clock))
    real, padded = sum(counted.real[WARM:steps]), sum(counted.padded[WARM:steps])
    rows = (steps - WARM) * trainer.args.per_device_train_batch_size
    return real / clock.seconds, rows / clock.seconds, real, padded


def speed(side: Side, *, rounds: int, steps: int) -> None:
    """Prints the ratio of real tokens a second."""
    ratios = []
    sums = {"ours": [0.0, 0.0], "plain": [0.0, 0.0]}
    for number in range(rounds):
        order = ("ours", "plain") if number % 2 else ("plain", "ours")
        found = {name: stretch(getattr(side, name), number, steps) for name in order}
        ratios.append(found["ours"][0] / found["plain"][0])
        for name in order:
            sums[name][0] += found[name][2]
            sums[name][1] += found[name][3]
        print(
            f"round {number}: {found['ours'][0]:,.0f} against {found['plain'][0]:,.0f} real "
            f"tokens/s, ratio {ratios[-1]:.2f}",
            file=sys.stderr,
        )
    fill = {name: real / padded for name, (real, padded) in sums.items()}
    print(
        f"real tokens/s: x{statistics.median(ratios):.2f} of the plain Trainer (median of "
        f"{rounds}, {min(ratios):.2f} to {max(ratios):.2f}); filled {fill['ours']:.3f} against "
        f"{fill['plain']:.3f}"
    )


def whole(side: Side, *, seeds: int, epochs: float) -> None:
    """Prints the accuracies and seconds of whole trainings with their evaluation."""
    results: dict[str, list[tuple[float, float]]] = {"plain": [], "ours": []}
    for seed in range(seeds):
        for name in ("ours", "plain") if seed % 2 else ("plain", "ours"):
            trainer, _ = getattr(side, name)(seed, num_train_epochs=epochs)
            start = time.perf_counter()
            trainer.train()
            found = trainer.evaluate()["eval_accuracy"]
            results[name].append((found, time.perf_counter() - start))
            print(f"seed {seed}: {name} {found:.4f} in {results[name][-1][1]:.0f} s", flush=True)
    for name, runs in results.items():
        scores = [score for score, _ in runs]
        spread = statistics.stdev(scores) if seeds > 1 else 0.0
        print(f"{name}: accuracy {statistics.mean(scores):.4f} ± {spread:.4f}")
    ratios = [p[1] / o[1] for p, o in zip(results["plain"], results["ours"], strict=True)]
    print(f"seconds, training and evaluation: x{statistics.median(ratios):.2f} (median of {seeds})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="overrides")
    parser.add_argument("--data", required=True, help="a csv or tsv with document and label")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=22)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=float, help="measure accuracies over so many epochs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="count processor seconds: others work")
    asked = parser.parse_args()
    if asked.busy:
        Clock.now = staticmethod(time.process_time)
    common = ["task=classification", "data=nsmc", f"data.path={asked.data}", "tracking=off"]
    common += ["data.split.test=null", f"data.limit={asked.rows}", "model=electra_small"]
    common += ["trainer.learning_rate=3e-4"]
    with tempfile.TemporaryDirectory() as cache:
        side = Side([*common, *asked.words], cache)
        if asked.epochs:
            whole(side, seeds=asked.seeds, epochs=asked.epochs)
        else:
            speed(side, rounds=asked.rounds, steps=asked.steps)


if __name__ == "__main__":
    main()
