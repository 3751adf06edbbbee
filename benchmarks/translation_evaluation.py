"""Evaluating a translator: ours against the plain 🤗 Seq2SeqTrainer with the same beams.

    python -m benchmarks.translation_evaluation --train train.jsonl --test test.jsonl [--beams 4]

The same model, sentences, arguments and scores. The plain side is the tutorial's: sentences as they
stand, in batches padded to the longest, loss and `predict_with_generate`. Whole evaluations take
turns in one process; the median of the ratios, both BLEUs, and how many texts differ. The model is
a checkpoint (--model), or `marian_tiny` trained for a few steps, so that its sentences end. On a
busy machine: OMP_NUM_THREADS=1 and --busy.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sacrebleu.metrics import BLEU
from transformers import DataCollatorForSeq2Seq, EvalPrediction, Seq2SeqTrainer

from electralab.cli import parse_flags
from electralab.command.points import typed
from electralab.data.parallel import IGNORED
from electralab.running.origins import find_origins
from electralab.tasks.translation import Translation
from electralab.tracking.store import Store
from electralab.training import session
from electralab.training.build import build_trainer
from electralab.training.determinism import quiet_libraries, seed_everything


def read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="overrides")
    parser.add_argument("--train", required=True, help="a json file with translation.en and .fr")
    parser.add_argument("--test", required=True, help="likewise")
    parser.add_argument("--model", help="a folder; none: marian_tiny, trained for --steps")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64, help="of an evaluation, on both sides")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", action="store_true", help="count processor seconds: others work")
    return parser.parse_args()


def prepared(asked: argparse.Namespace, cache: Path) -> tuple[Any, Translation, Any, str | None]:
    """Returns the configuration, the task, its data and the checkpoint."""
    words = ["task=translation", "data=json", f"data.path={asked.train}", "trainer.bf16=false"]
    words += [f"data.columns.{s}=translation.{c}" for s, c in (("source", "en"), ("target", "fr"))]
    words += [f"data.split.test={asked.test}", "data.split.validation=null", "tracking=off"]
    words += [f"output_dir={cache}", f"trainer.per_device_eval_batch_size={asked.batch}"]
    words += [f"task.num_beams={asked.beams}", "trainer.save_strategy=no"]
    words += ["trainer.per_device_train_batch_size=32", f"trainer.max_steps={asked.steps}"]
    if asked.model:
        words += ["model=auto", f"model.name_or_path={asked.model}"]
    config = typed(parse_flags([*words, *asked.words])).points[0].config
    origins = find_origins(config, store=Store(mode="off"), output_dir=cache)
    task = Translation(config=config.task, data=config.data)
    tokenizer = origins.tokenizer(config.model, task="translation")
    return config, task, task.prepare(tokenizer=tokenizer, cache_dir=cache), origins.model


def shorten(rows: Any, count: int) -> None:
    """Leaves the first rows of a split."""
    rows.table = rows.table.select(range(min(count, len(rows))))
    rows.lengths = rows.lengths[: len(rows.table)]


def main() -> None:
    asked = read()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as place:
        config, task, data, name = prepared(asked, Path(place))
        shorten(data.test, asked.sentences)
        seed_everything(0, deterministic=False)
        model = task.build_model(
            model=config.model, data=data, name_or_path=name, generator=None
        ).model
        arguments = session.training_arguments(config, Path(place))
        arguments.disable_tqdm = True
        trainer = build_trainer(
            task=task,
            model=model,
            arguments=arguments,
            data=data,
            seed=0,
            early_stopping_patience=None,
            callbacks=[],
        )
        if not name:
            trainer.train()
        kept: dict[str, list[str]] = {}
        texts = data.test.table["target"][:]

        def scores(got: EvalPrediction) -> dict[str, float]:
            ids = np.where(got.predictions == IGNORED, data.tokenizer.pad_token_id, got.predictions)
            kept["plain"] = data.tokenizer.batch_decode(ids, skip_special_tokens=True)
            return {"bleu": BLEU(force=True).corpus_score(kept["plain"], [texts]).score}

        arguments.predict_with_generate, arguments.generation_num_beams = True, asked.beams
        arguments.remove_unused_columns = True
        plain = Seq2SeqTrainer(
            model=model,
            args=arguments,
            eval_dataset=data.test.table.select_columns(["input_ids", "labels"]),
            data_collator=DataCollatorForSeq2Seq(data.tokenizer, model),
            processing_class=data.tokenizer,
            compute_metrics=scores,
        )
        measured = task.compute_metrics

        def kept_too(got: EvalPrediction) -> dict[str, float]:
            found = task._texts(got.predictions[1])
            kept["ours"] = [found[place] for place in np.argsort(got.label_ids[1])]
            return measured(got)

        trainer.compute_metrics = kept_too
        sides = {
            "ours": lambda: trainer.evaluate(data.test, metric_key_prefix="test"),
            "plain": lambda: plain.evaluate(metric_key_prefix="test"),
        }
        compare(sides, kept, asked.rounds, time.process_time if asked.busy else time.perf_counter)


def compare(sides: dict[str, Any], kept: dict[str, list[str]], rounds: int, now: Any) -> None:
    """Prints the ratios of seconds, and whether the texts are the same."""
    ratios: list[float] = []
    found: dict[str, dict[str, float]] = {}
    for number in range(rounds):
        seconds = {}
        for name in list(sides)[:: 1 if number % 2 else -1]:
            start = now()
            found[name] = sides[name]()
            seconds[name] = now() - start
        ratios.append(seconds["plain"] / seconds["ours"])
        print(
            f"round {number}: {seconds['ours']:.1f} s against {seconds['plain']:.1f} s, ratio "
            f"{ratios[-1]:.2f}",
            file=sys.stderr,
        )
    differ = sum(one != other for one, other in zip(kept["ours"], kept["plain"], strict=True))
    bleu = {name: found[name]["test_bleu"] for name in sides}
    print(
        f"evaluation of {len(kept['ours']):,} sentences: x{statistics.median(ratios):.2f} of the "
        f"plain Seq2SeqTrainer (median of {rounds}, {min(ratios):.2f} to {max(ratios):.2f}); BLEU "
        f"{bleu['ours']:.2f} against {bleu['plain']:.2f}, {differ} texts differ; "
        f"{torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
