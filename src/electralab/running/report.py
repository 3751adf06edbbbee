"""What a run says about itself: its data, its model, its results, what to type next."""

from __future__ import annotations

import logging
import math
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from electralab.checking.signature import signature
from electralab.config import Config
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.models.rtd import RtdPair
    from electralab.tasks.rtd import ReplacedTokenDetection
    from electralab.tracking.run import TrackedRun

log = logging.getLogger(__name__)

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
    """Prints lines for a person to standard error, where the progress bar is, and logs them."""
    print(*lines, sep="\n", file=sys.stderr, flush=True)
    log.info("%s", "\n".join(lines).strip("\n"))


def show_data(data: Prepared) -> None:
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


def show_model(model: RtdPair) -> None:
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
    run: TrackedRun,
    folder: Path,
    data: Prepared,
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


def show_summary(
    summary: dict[str, Any], *, task: ReplacedTokenDetection, config: Config, folder: Path
) -> None:
    """Prints the results and the commands to type next."""
    highlights = task.highlights(summary["metrics"], unigram_entropy=summary["unigram_entropy"])
    say(
        "",
        f"done in {summary['seconds']:.0f} s",
        *(f"  {line}" for line in highlights),
        f"  run folder     {shlex.quote(_short(folder))}",
        f"  run id         {summary['run_id']}",
        "",
        "next",
        *(f"  {line}" for line in next_commands(config, folder)),
    )


def next_commands(config: Config, folder: Path) -> list[str]:
    """Returns what to type after a run, as it works for this very run.

    Args:
        config: Its configuration.
        folder: Its folder, which says how it was started.
    """
    place = shlex.quote(_short(folder))
    lines = [] if config.tracking.mode == "off" else [_words("electralab ui", _store(config))]
    lines += [
        f"electralab predict {place} {shlex.quote(text)}"
        for text in (
            "returns the absolute path of the current [MASK]",
            "returns the absolute banana of the current directory",
        )
    ]
    typed = yaml.safe_load((folder / files.OVERRIDES).read_text(encoding="utf-8")) or []
    own = ("name", "seed", "task.disc_weight", "resume")
    kept = [word for word in typed if word.lstrip("+").partition("=")[0] not in own]
    swept = [*kept, f"name={config.name}-sweep", "task.disc_weight=10,25,50", "seed=0,1"]
    return [
        *lines,
        f"electralab export {place} {shlex.quote(f'{config.name}-export')}",
        _words("electralab -m", swept),
    ]


def _store(config: Config) -> list[str]:
    """Returns the words that make a verb look where this run was recorded."""
    tracking = config.tracking
    if tracking.mode == "server":
        return files.without_secrets(["tracking=server", f"tracking.uri={tracking.uri}"])
    return [] if config.output_dir == "outputs" else [f"output_dir={config.output_dir}"]


def _words(command: str, words: list[str]) -> str:
    return " ".join([command, *map(shlex.quote, words)])


def _short(folder: Path) -> str:
    """Returns a path relative to here if it lies below."""
    try:
        return str(folder.relative_to(Path.cwd()))
    except ValueError:
        return str(folder)
