"""What a run says about its data, and what in it should make one think."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data import filling
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.data.prepare import Prepared
    from electralab.tracking.run import TrackedRun

REPORT, PICTURE = "data.json", "data.png"
_NAMED = 6  # classes that a line names
_POSITIONS = 512  # of most models; more is no advice
_DUPLICATES, _RARE = 0.2, 0.01  # shares of the examples that are remarked on


def lines(data: Prepared) -> list[str]:
    """Returns what the data came to, and remarks that say what to type."""
    report = data.report
    dropped = ", ".join(
        f"{count:,} {reason.replace('_', ' ')}"
        for reason, count in report["dropped"].items()
        if count
    )
    return [
        f"data   {'a stream; its first ' if 'stream' in report else ''}"
        f"{report['documents']['read']:,} documents"
        + (f" (dropped: {dropped})" if dropped else "")
        + (", from the cache" if data.from_cache else ""),
        *(
            f"       {name:<10} {report['documents'][name]:>10,} documents "
            f"{report['tokens'][name]:>12,} tokens {count:>9,} rows"
            for name, count in report["rows"].items()
        ),
        *([f"       {filling.in_words(report['packing'])}"] if "packing" in report else []),
        *(f"       {line}" for line in _shape(report["splits"]["train"])),
        *(f"  !    {line}" for line in remarks(report["splits"])),
    ]


def _shape(train: dict[str, Any]) -> list[str]:
    """Returns lines on duplicates, empty texts, lengths and classes of the train split."""
    found = []
    for name in ("duplicates", "empty"):
        if count := train[name]:
            found.append(f"{name:<10} {count:,} ({_percent(count / train['examples'])})")
    for kind in ("characters", "tokens"):
        for part, lengths in train[kind].items():
            name = kind if part in ("text", "row") else f"{kind} of {part}"
            cut = ""
            if lengths.get("limit"):
                share = lengths["truncated"] / train["examples"]
                cut = f"; {_percent(share)} cut off at {lengths['limit']}"
            found.append(f"{name:<10} {_range(lengths)}{cut}")
    if "scores" in train:
        found.append(f"scores     {_range(train['scores'])}")
    if "classes" in train:
        ranked = sorted(train["classes"].items(), key=lambda item: -item[1])
        shown = ranked if len(ranked) <= _NAMED else [*ranked[:2], None, *ranked[-2:]]
        words = [
            "…" if item is None else f"{item[0]} {_percent(item[1] / train['examples'])}"
            for item in shown
        ]
        found.append(f"{len(ranked)} classes  {', '.join(words)}")
    return found


def in_words(number: float) -> str:
    """Returns a length or a score with as many digits as one reads."""
    if number == int(number):
        return f"{int(number):,}"
    return f"{number:,.1f}" if abs(number) >= 100 else f"{number:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(lengths: dict[str, Any]) -> str:
    return (
        f"{in_words(lengths['min'])} to {in_words(lengths['max'])}, "
        f"median {in_words(lengths['median'])}, mean {lengths['mean']:,.1f}"
    )


def remarks(splits: dict[str, dict[str, Any]]) -> list[str]:
    """Returns a line for everything in the data that should make one think.

    Args:
        splits: What `Look.report` says of each split.
    """
    from electralab.data.looking import FEW  # with NumPy, which a check has no need of

    train = splits["train"]
    number = train["examples"]
    found = []
    for split, seen in splits.items():
        if shared := seen.get("in_train"):
            share = _percent(shared / seen["examples"])
            found.append(
                f"{shared:,} of {seen['examples']:,} {split} examples ({share}) stand in train "
                "too, which flatters what is measured on them: data.clean.drop_duplicates=true"
            )
    if train["duplicates"] > _DUPLICATES * number:
        found.append(
            f"{_percent(train['duplicates'] / number)} of the train examples are duplicates: "
            "data.clean.drop_duplicates=true"
        )
    for side, lengths in train["tokens"].items():
        if lengths["truncated"] > FEW * number and lengths["limit"] < _POSITIONS:
            key = "max_target_length" if side == "target" else "max_length"
            enough = -(-lengths["enough"] // 8) * 8
            fewer = "less than 1 %" if enough <= _POSITIONS else "fewer"
            found.append(
                f"{_percent(lengths['truncated'] / number)} of the train examples are cut off at "
                f"{lengths['limit']} tokens: data.{key}={min(enough, _POSITIONS)} would cut {fewer}"
            )
    for split, seen in splits.items():
        met = [name for name, count in seen.get("classes", {}).items() if count]
        if split != "train" and len(met) == 1:
            found.append(
                f"all {seen['examples']:,} {split} examples are of class {met[0]}: F1 and Matthews "
                "say nothing there"
            )
    classes = train.get("classes", {})
    # With many classes an even share is small as well.
    rare = [c for c in classes if classes[c] < min(_RARE, 0.25 / len(classes)) * number]
    if rare:
        least = min(rare, key=classes.__getitem__)
        more = f" and {len(rare) - 1} more" if len(rare) > 1 else ""
        several = sum(classes.values()) != number  # labels an example, which have no weights
        advice = (
            "read eval_f1_macro rather than eval_f1"
            if several
            else "read eval_f1 rather than eval_accuracy, and try task.class_weights=balanced"
        )
        found.append(
            f"class {least}{more}: {classes[least]:,} of {number:,} train examples; {advice}"
        )
    return found


def keep(data: Prepared, *, run: TrackedRun, folder: Path) -> None:
    """Writes ``data.json`` and ``data.png`` into a run's folder and gives them to the store."""
    files.write_json(folder / REPORT, {**data.report, "fingerprint": data.fingerprint})
    drawn = data.folder / PICTURE  # drawn once for all runs with these data
    if drawn.is_file():
        shutil.copyfile(drawn, folder / PICTURE)
    else:
        from electralab.running.pictures import draw_data

        draw_data(data.report["splits"], folder / PICTURE)
        unfinished = drawn.with_suffix(f".{os.getpid()}.tmp")
        with suppress(OSError):  # another's cache can be read only
            shutil.copyfile(folder / PICTURE, unfinished)
            os.replace(unfinished, drawn)
    for name in (REPORT, PICTURE):
        run.log_artifact(folder / name)
