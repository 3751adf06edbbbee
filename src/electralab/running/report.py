"""What a run says about itself: its data, its model, its results, what to type next."""

from __future__ import annotations

import logging
import math
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab import processes
from electralab.chain_config import in_stages
from electralab.checking import phase_checks
from electralab.checking.signature import signature
from electralab.checking.trainer_args import precision
from electralab.config import Chain, Config
from electralab.running import counts, data_report
from electralab.running import folder as files
from electralab.terminal import visible
from electralab.timing import in_words
from electralab.tracking.redaction import without_secrets

if TYPE_CHECKING:
    from transformers import Seq2SeqTrainingArguments

    from electralab.data.prepare import Prepared
    from electralab.tasks.base import Task
    from electralab.tracking.run import TrackedRun

log = logging.getLogger(__name__)

# What to sweep next, by task; the others repeat the run with other seeds.
SWEEPS = {"rtd": ("task.disc_weight=10,25,50", "seed=0,1")}


def say(*lines: str) -> None:
    """Prints lines for a person to standard error, where the progress bar is, and logs them."""
    print(*map(visible, lines), sep="\n", file=sys.stderr, flush=True)
    log.info("%s", "\n".join(lines).strip("\n"))


def show_data(config: Config, data: Prepared, *, stages: Mapping[str, str] | None = None) -> None:
    """Prints what the data came to, and what in it should make one think; `check` can count it.

    Args:
        config: The configuration.
        data: The prepared data.
        stages: In a chain, the stage of each group, whose keys are named with it.
    """
    lines = data_report.lines(data)
    lines += [f"       {line}" for line in phase_checks.in_words(phase_checks.plan(config))]
    say(*(in_stages(line, stages) for line in lines) if stages else lines)
    counts.keep(config, data.report)


def device(arguments: Seq2SeqTrainingArguments) -> str:
    """Returns a line that says where, in what precision and how fast the training is computed."""
    import torch

    from electralab.training import rate

    where = str(arguments.device)
    if where == "cpu":
        where += f", {torch.get_num_threads()} threads"
    each = f" in each of {processes.count()} processes" if processes.count() > 1 else ""
    fast = rate.in_words(rate.of_training(arguments))
    return f"device {where}, {precision(arguments)}, {fast}{each}"


def conclude(
    config: Config,
    task: Task,
    data: Prepared,
    *,
    run: TrackedRun,
    folder: Path,
    metrics: dict[str, float],
    started: float,
    alone: bool,
) -> dict[str, Any]:
    """Writes the summary of a run and prints it; the arguments are those of the two below.

    Of several processes, the main one does; the others return nothing.
    """
    if not processes.is_main():
        return {}
    summary = summarise(config, run=run, folder=folder, data=data, metrics=metrics, started=started)
    if undelivered := run.end():
        summary[files.UNDELIVERED] = undelivered
        files.write_json(folder / files.SUMMARY, summary)
    show_summary(summary, task=task, config=config, data=data, folder=folder, alone=alone)
    return summary


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
    # Of token blocks alone.
    entropy = {"unigram_entropy": data.unigram_entropy} if len(data.unigram) else {}
    pruned = files.read_json(folder / files.PRUNED)  # its reason
    summary = {
        "run_id": run.run_id,
        "status": "PRUNED" if pruned else "FINISHED",
        **pruned,
        "task": config.task.name,
        "signature": signature(config),
        "metrics": {name: value for name, value in metrics.items() if math.isfinite(value)},
        "baseline_metrics": files.read_json(folder / files.BASELINE),
        "model_dir": str(folder / files.MODEL),
        "weights_sha256": files.digest(folder / files.MODEL, files.WEIGHTS),
        "tokenizer_sha256": files.digest(folder / files.MODEL, files.TOKENIZER),
        "data_fingerprint": data.fingerprint,
        **entropy,
        "seconds": round(time.time() - started, 3),
        "folder": str(folder),
    }
    tags = {"pruned": pruned["reason"]} if pruned else {}
    run.set_tags({**tags, **entropy, "seconds": summary["seconds"]})
    files.write_json(folder / files.SUMMARY, summary)
    for name in (files.SUMMARY, files.HISTORY):
        run.log_artifact(folder / name)
    return summary


def show_summary(
    summary: dict[str, Any],
    *,
    task: Task,
    config: Config,
    data: Prepared,
    folder: Path,
    alone: bool = True,
) -> None:
    """Prints the results and, of a run that is no part of a chain, the commands to type next."""
    before = summary["baseline_metrics"]
    lacking = summary.get(files.UNDELIVERED)
    sync = command_line("electralab sync", [short(folder)])
    speed = in_words(summary["metrics"])
    highlights = task.highlights(summary["metrics"], baseline=before, data=data)
    typed = next_commands(config, folder, texts=task.examples(data)) if alone else []
    say(
        "",
        f"{summary.get('reason', 'done')} in {summary['seconds']:.0f} s",
        *(f"  {line}".rstrip() for line in highlights),
        *([f"  speed          {speed}"] if speed else []),
        f"  run folder     {shlex.quote(short(folder))}",
        f"  run id         {summary['run_id']}",
        *([f"  the store lacks {lacking}: {sync}"] if lacking else []),
        *(["", "next"] if typed else []),
        *(f"  {line}" for line in typed),
    )


def quoted(text: str) -> str:
    """Quotes a text for a shell, which would act on a tab or another control character."""
    if text.isprintable():
        return shlex.quote(text)
    named = {"\\": "\\\\", "'": "\\'", "\t": "\\t", "\n": "\\n"}
    escaped = (
        named.get(sign) or (sign if sign.isprintable() else f"\\U{ord(sign):08x}") for sign in text
    )
    return f"$'{''.join(escaped)}'"


def next_commands(config: Config, folder: Path, *, texts: list[str]) -> list[str]:
    """Returns what to type after a run, as it works for this very run.

    Args:
        config: Its configuration.
        folder: Its folder, which says how it was started.
        texts: To try `predict` on.
    """
    place = shlex.quote(short(folder))
    tracked = config.tracking.mode != "off"
    lines = [command_line("electralab ui", store_words(config))] if tracked else []
    lines += [f"electralab predict {place} {quoted(text)}" for text in texts]
    typed = files.read_yaml(folder / files.OVERRIDES) or []
    sweep = SWEEPS.get(config.task.name, ("seed=0,1,2",))
    own = ("name", "resume", *(word.partition("=")[0] for word in sweep))
    kept = [word for word in typed if word.lstrip("+").partition("=")[0] not in own]
    swept = [*kept, f"name={config.name}-sweep", *sweep]
    return [
        *lines,
        f"electralab export {place} {shlex.quote(f'{config.name}-export')}",
        command_line("electralab -m", swept),
    ]


def store_words(config: Config | Chain) -> list[str]:
    """Returns the words that make a verb look where this run was recorded."""
    tracking = config.tracking
    if tracking.mode == "server":
        return without_secrets(["tracking=server", f"tracking.uri={tracking.uri}"])
    return [] if config.output_dir == "outputs" else [f"output_dir={config.output_dir}"]


def command_line(command: str, words: list[str]) -> str:
    """Returns a command as one would type it."""
    return " ".join([command, *map(shlex.quote, words)])


def short(folder: Path) -> str:
    """Returns a path relative to here if it lies below."""
    try:
        return str(folder.relative_to(Path.cwd()))
    except ValueError:
        return str(folder)
