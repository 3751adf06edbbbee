"""`electralab predict`: what the model of a run says about texts."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from electralab.data.batches import PIECE
from electralab.data.lines import count, decoded, opened
from electralab.errors import UserError
from electralab.predicting import Predictor, predictor_class
from electralab.terminal import visible
from electralab.verbs.common import find, finished_model, run_config, split_options

POOL = 16  # batches of a file that are read in one go, so that texts of like lengths meet


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab predict",
        description="What the model of a run says about texts. rtd: for each word how likely it "
        "was replaced, and in a text with [MASK] what fits. mlm: what fits at each [MASK]. "
        "classification: the label, the labels or the score. translation: the translation. Reads "
        "lines from standard input if no TEXT is given; an empty line gets an empty answer.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument(
        "text", metavar="TEXT", nargs="*", default=[], help="one each; a pair has a tab between"
    )
    parser.add_argument("--file", metavar="FILE", help="a text a line, answered in this order")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--top-k", type=int, default=5, help="answers a question (default 5)")
    parser.add_argument(
        "--batch-size", type=int, default=32, help="texts that are judged together (default 32)"
    )
    arguments, settings = split_options(parser, argv)
    for option in ("top_k", "batch_size"):
        if (value := getattr(arguments, option)) < 1:
            name = option.replace("_", "-")
            raise UserError(f"--{name} must be at least 1, but is {value} instead.")
    record = find(arguments.run, settings)
    source = finished_model(record.folder)
    config = run_config(record.folder)
    how = {"size": arguments.batch_size, "pool": POOL if arguments.file else 1}
    if not arguments.text and not arguments.file and sys.stdin.isatty():
        how["size"] = 1  # a person waits for each answer
    cut = 0
    with _texts(arguments) as texts, closing(_progress(arguments.file)) as bar:
        predictor = _load(source, config)
        for results in answers(predictor, texts, **how, top_k=arguments.top_k):
            for result in results:
                _show(result, predictor, as_json=arguments.json)
            sys.stdout.flush()
            bar.update(len(results))
            cut += sum(bool(result.get("truncated")) for result in results)
    if cut:
        text = "1 text was" if cut == 1 else f"{cut:,} texts were"
        limit = config["data"]["max_length"]
        print(f"{text} longer than the run's data.max_length={limit} and cut off.", file=sys.stderr)
    return 0


def answers(
    predictor: Predictor,
    texts: Iterator[tuple[str, str]],
    *,
    size: int,
    pool: int,
    top_k: int,
) -> Iterator[list[dict[str, Any]]]:
    """Judges texts, and gives the answers in the order of the texts; memory is that of one list.

    Args:
        predictor: Judges them.
        texts: Each behind its place, as of a line in a file. A blank one is not judged.
        size: Texts that are judged together.
        pool: So many times that are read in one go; of these, texts of like lengths are judged
            together, which spares pads.
        top_k: Answers a question.

    Yields:
        The results of what was read in one go.

    Raises:
        UserError: A text is not what the task judges, with its place.
    """
    while read := list(islice(texts, size * pool)):
        for place, text in read:
            if text.strip() and (problem := predictor.problem(text)):
                raise UserError(f"{place} {problem}")
        results: list[dict[str, Any]] = [{"text": text} for _, text in read]
        order = [number for number, (_, text) in enumerate(read) if text.strip()]
        order.sort(key=lambda number: -len(read[number][1]))
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            judged = predictor.batch([read[number][1] for number in numbers], top_k=top_k)
            for number, result in zip(numbers, judged, strict=True):
                results[number] = result
        yield results


def _load(source: Path, config: dict[str, Any]) -> Predictor:
    from electralab.training.determinism import quiet_libraries

    quiet_libraries()
    return predictor_class(config["task"]["name"])(source, config=config)


@contextmanager
def _texts(arguments: argparse.Namespace) -> Iterator[Iterator[tuple[str, str]]]:
    """Gives the texts with their places.

    Raises:
        UserError: At once if a word or a file cannot be read; of a line, where it comes.
    """
    if arguments.file and arguments.text:
        raise UserError("--file must stand without TEXT, but both are given; choose one.")
    if arguments.text:
        yield iter([("TEXT", _utf8(text)) for text in arguments.text])
        return
    if not arguments.file:
        yield _lines(sys.stdin.buffer, "Standard input")
        return
    path = Path(arguments.file).expanduser()
    file = ExitStack()
    try:
        stream = file.enter_context(opened(path))
    except OSError as error:
        raise UserError(
            f"--file must be a file with a text a line, but {path} cannot be read "
            f"({error.strerror})."
        ) from error
    with file:
        yield _lines(stream, path)


def _lines(stream: Any, name: object) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(decoded(stream, name), 1):
        place = f"{name}, line {number},"
        if len(line) > PIECE:
            raise UserError(
                f"{place} must have at most {PIECE:,} characters, but has {len(line):,}; break it "
                "into lines."
            )
        yield place, line.rstrip("\r\n")


def _utf8(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"TEXT must be UTF-8, but {text!a} is not.") from None
    return text


def _progress(file: str | None) -> Any:
    """Returns a bar for a file, which shows where answers do not run through the same terminal."""
    from tqdm import tqdm

    hidden = not file or sys.stdout.isatty() or not os.path.isfile(file)
    total = None if hidden or not sys.stderr.isatty() else count(Path(file))
    return tqdm(total=total, unit=" texts", delay=2, disable=True if hidden else None)


def _show(result: dict[str, Any], predictor: Predictor, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps(result, ensure_ascii=False)
        print(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", line))
    elif result["text"].strip():
        print(*map(visible, predictor.lines(result)), sep="\n")
    else:
        print()
