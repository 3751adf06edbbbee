"""Held-out sentences as a model sees them, shown on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor
from transformers import PreTrainedTokenizerBase, TrainerCallback

from electralab.data.prepare import Prepared
from electralab.models.words import piece_texts, word_mark
from electralab.terminal import visible

_SHORTEST, _LONGEST = 10, 32  # tokens of a sentence that fits a screen


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One sentence on its way through a model."""

    step: int
    original: str
    masked: str
    filled_in: str


def held_out_sentences(
    blocks: Any, tokenizer: PreTrainedTokenizerBase, count: int
) -> list[np.ndarray]:
    """Cuts whole short documents, as token ids with [CLS] and [SEP], out of packed blocks."""
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    found: list[np.ndarray] = []
    for number in range(len(blocks)):
        example = blocks[number]
        ids = np.asarray(example["input_ids"])
        if apart := "starts" in example:  # where all pieces are whole
            starts = example["starts"]
            ends = np.append(starts[1:], len(ids)) - 1
        else:
            ends = np.flatnonzero(ids == sep)
            starts = np.concatenate([[0], ends])[: len(ends)]
        for start, end in zip(starts, ends, strict=True):
            body = ids[start + 1 : end]
            # The first and the last piece of a block may run on beyond it.
            whole = apart or (start > 0 and end < ends[-1]) or len(ends) == 1
            if whole and _SHORTEST <= len(body) <= _LONGEST:
                found.append(np.concatenate([[cls], body, [sep]]))
                break
        if len(found) == count:
            return found
    if not found and len(blocks):
        ids = np.asarray(blocks[0]["input_ids"])
        found = [np.append(ids[: min(_LONGEST + 1, len(ids) - 1)], sep)]
    return found


def preview_callback(
    *,
    every: int | None,
    count: int,
    data: Prepared,
    collate: Callable,
    preview: Callable[..., list[Preview]],
) -> PreviewCallback | None:
    """Returns the callback that shows held-out sentences, if previews are asked for.

    Args:
        every: Steps between two previews; none: there are none.
        count: Sentences in one.
        data: The prepared data.
        collate: The collator of evaluation.
        preview: Runs sentences through the model of a task.
    """
    if every is None or data.validation is None:
        return None
    sentences = held_out_sentences(data.validation, data.tokenizer, count)
    given = {"tokenizer": data.tokenizer, "collate": collate, "sentences": sentences}
    return PreviewCallback(every=every, make=lambda model, step: preview(model, step=step, **given))


def as_examples(sentences: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Returns sentences as a collator takes them."""
    return [{"input_ids": ids, "epoch": 0, "index": i} for i, ids in enumerate(sentences)]


class Reader:
    """Turns the rows of a batch back into lines to read.

    Args:
        tokenizer: Names the tokens.
        padding_side: Of the collator.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, padding_side: str) -> None:
        self.tokenizer = tokenizer
        self.mark = word_mark(tokenizer)
        self.padding_side = padding_side

    def inside(self, row: Tensor, length: int) -> Tensor:
        """Cuts pads, [CLS] and [SEP] off a row; ``length`` counts the latter two."""
        row = row[-length:] if self.padding_side == "left" else row[:length]
        return row[1:-1]

    def texts(self, ids: Tensor) -> list[str]:
        """Returns the tokens one by one."""
        return [text for text, _ in piece_texts(self.tokenizer, ids.tolist(), mark=self.mark)]

    def line(self, ids: Tensor, marked: Tensor | None = None) -> str:
        """Joins tokens, with [brackets] around those that are marked."""
        pieces = piece_texts(self.tokenizer, ids.tolist(), mark=self.mark)
        marks = [False] * len(pieces) if marked is None else marked.tolist()
        return join_pieces(pieces, marks)


def join_pieces(pieces: Sequence[tuple[str, bool]], marked: Sequence[bool]) -> str:
    """Joins pieces to a line, with [brackets] around those that are marked.

    Args:
        pieces: Each with whether it continues the word before it.
        marked: One a piece.
    """
    line = ""
    for (piece, glued), mark in zip(pieces, marked, strict=True):
        line += ("" if glued or not line else " ") + (f"[{piece}]" if mark else piece)
    return line


def show(previews: Sequence[Preview], *, console: Console | None = None) -> None:
    """Prints previews, a line for each view of a sentence."""
    console = console or Console(stderr=True, highlight=False)
    for item in previews:
        lines = Table.grid(padding=(0, 2, 0, 1))  # long sentences wrap beside their label
        for name, text in asdict(item).items():
            if name != "step":
                lines.add_row(Text(name.replace("_", " "), style="dim"), Text(visible(text)))
        console.print(lines, Text(""))


class PreviewCallback(TrainerCallback):
    """Shows previews every so many steps and keeps them for the record.

    Args:
        every: Steps between two previews.
        make: Gives the previews of a step; the model's mode must stay as it was.
        skip_time: Told the seconds that showing took.
    """

    def __init__(
        self,
        *,
        every: int,
        make: Callable[[Any, int], Sequence[Preview]],
        skip_time: Callable[[float], None] | None = None,
    ) -> None:
        self.every = every
        self.make = make
        self.skip_time = skip_time
        self.rows: list[dict[str, Any]] = []

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Shows a preview where one is due."""
        if state.is_world_process_zero and state.global_step % self.every == 0:
            start = time.perf_counter()
            previews = self.make(model, state.global_step)
            self.rows += [asdict(item) for item in previews]
            print(f"\n  preview at step {state.global_step}", file=sys.stderr)
            show(previews)
            if self.skip_time:
                self.skip_time(time.perf_counter() - start)
