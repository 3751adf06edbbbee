"""What a run says about itself: its data, its model, its results, what to type next."""

from __future__ import annotations

import math
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from electralab import folder as files
from electralab.config import Config
from electralab.signature import signature

# Clock readings: "identical" and "the same table" always mean all other metrics.
TIMING_METRICS = frozenset(
    {"tokens_per_second", "seconds", "train_runtime", "train_samples_per_second"}
    | {"train_steps_per_second", "total_flos"}
    | {
        f"{split}_{name}"
        for split in ("eval", "test")
        for name in ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
    }
)


def say(*lines: str) -> None:
    """Prints lines for a person to standard error, where the progress bar is too."""
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def show_data(data: Any) -> None:
    """Prints what the data came to."""
    report = data.report
    dropped = ", ".join(
        f"{count:,} {reason}" for reason, count in report["dropped"].items() if count
    )
    say(
        f"data   {report['documents']['read']:,} documents"
        + (f" (dropped: {dropped})" if dropped else "")
        + (", from the cache" if data.from_cache else ""),
        *(
            f"       {name:<10} {report['documents'][name]:>10,} documents "
            f"{report['tokens'][name]:>12,} tokens {count:>9,} rows"
            for name, count in report["blocks"].items()
        ),
    )


def show_model(model: Any) -> None:
    """Prints the sizes of the pair."""

    def millions(module: Any) -> str:
        return f"{sum(parameter.numel() for parameter in module.parameters()) / 1e6:.1f} M"

    disc, gen = model.config.discriminator, model.config.generator
    say(
        f"model  discriminator {disc.num_hidden_layers} x {disc.hidden_size} "
        f"({millions(model.discriminator)}), generator {gen.num_hidden_layers} x {gen.hidden_size} "
        f"({millions(model.generator)}), together {millions(model)} parameters, vocabulary "
        f"{disc.vocab_size:,}"
    )


def summarise(
    config: Config,
    *,
    run: Any,
    folder: Path,
    data: Any,
    metrics: dict[str, float],
    started: float,
) -> dict[str, Any]:
    """Writes ``summary.json`` and gives its content to the store.

    Args:
        config: The configuration.
        run: The tracked run.
        folder: The run's folder.
        data: The prepared data.
        metrics: All metrics of the end of the run.
        started: When the run began, in seconds since the epoch.

    Returns:
        The summary.
    """
    summary = {
        "run_id": run.run_id,
        "status": "FINISHED",
        "task": config.task.name,
        "signature": signature(config),
        "metrics": {name: value for name, value in metrics.items() if math.isfinite(value)},
        "baseline_metrics": {},
        "model_dir": str(folder / files.MODEL),
        "data_fingerprint": data.fingerprint,
        "unigram_entropy": data.unigram_entropy,
        "seconds": round(time.time() - started, 3),
        "folder": str(folder),
    }
    run.set_tags({"unigram_entropy": data.unigram_entropy, "seconds": summary["seconds"]})
    files.write_json(folder / files.SUMMARY, summary)
    run.log_artifact(folder / files.SUMMARY)
    return summary


def show_summary(summary: dict[str, Any], *, task: Any, config: Config) -> None:
    """Prints the results and the commands to type next."""
    folder = shlex.quote(_short(summary["folder"]))
    example = shlex.quote("returns the absolute path of the current [MASK]")
    place = (
        "" if config.output_dir == "outputs" else f" output_dir={shlex.quote(config.output_dir)}"
    )
    highlights = task.highlights(summary["metrics"], unigram_entropy=summary["unigram_entropy"])
    say(
        "",
        f"done in {summary['seconds']:.0f} s",
        *(f"  {line}" for line in highlights),
        f"  run folder     {folder}",
        f"  run id         {summary['run_id']}",
        "",
        "next",
        *([] if config.tracking.mode == "off" else [f"  electralab ui{place}"]),
        f"  electralab predict {folder} {example}",
        f"  electralab export {folder} my-electra",
        f"  electralab -m name=sweep task.disc_weight=10,25,50 seed=0,1{place}",
    )


def _short(folder: str) -> str:
    """Returns a path relative to here if it lies below."""
    try:
        return str(Path(folder).relative_to(Path.cwd()))
    except ValueError:
        return folder
