"""A classifier fine-tuned by the plain 🤗 Trainer, to compare `task=classification` with.

    python -m benchmarks.plain_trainer --model FOLDER --seed 0 \\
        --train TRAIN.tsv --validation VALID.tsv --test TEST.tsv

What a careful person writes by hand from the tutorial: tokenise, pad each batch to its longest,
train, measure on the test split. It prints a JSON line with the test accuracy and the seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time

import numpy as np
import torch
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    set_seed,
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="hub name or folder")
    for split in ("train", "validation", "test"):
        parser.add_argument(f"--{split}", required=True, help="csv or tsv with text and label")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--bf16", action="store_true")
    return parser.parse_args()


def accuracy(got: EvalPrediction) -> dict[str, float]:
    """Returns the share of rows whose most probable class is right."""
    return {"accuracy": float((np.argmax(got.predictions, -1) == got.label_ids).mean())}


def main() -> None:
    asked = parse()
    set_seed(asked.seed)
    tab = {"delimiter": "\t", "quoting": 3} if asked.train.endswith(("tsv", "txt")) else {}
    files = {split: getattr(asked, split) for split in ("train", "validation", "test")}
    data = load_dataset("csv", data_files=files, **tab)
    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    rows = data.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=asked.max_length),
        batched=True,
        remove_columns=["text"],
    )
    model = AutoModelForSequenceClassification.from_pretrained(asked.model, num_labels=2)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=asked.epochs,
                per_device_train_batch_size=asked.batch,
                per_device_eval_batch_size=64,
                learning_rate=asked.learning_rate,
                weight_decay=0.01,
                warmup_steps=0.1,
                adam_epsilon=1e-6,
                bf16=asked.bf16,
                use_cpu=not torch.accelerator.is_available(),
                eval_strategy="epoch",
                save_strategy="no",
                logging_steps=50,
                report_to=[],
                seed=asked.seed,
            ),
            train_dataset=rows["train"],
            eval_dataset=rows["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=accuracy,
        )
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        test = trainer.evaluate(rows["test"], metric_key_prefix="test")
    print(json.dumps({"seed": asked.seed, "test_accuracy": test["test_accuracy"], "s": seconds}))


if __name__ == "__main__":
    main()
