"""Held-out sentences as the pair sees them: masked, filled in, doubted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from transformers import PreTrainedTokenizerBase, TrainerCallback

from electralab.models.masking import MaskingCollator
from electralab.models.rtd import RtdPair

_SHORTEST, _LONGEST = 10, 32  # tokens of a sentence that fits a screen


@dataclass(frozen=True)
class Preview:
    """One sentence on its way through the pair; `doubted` names tokens with their probability."""

    step: int
    original: str
    masked: str
    filled_in: str
    doubted: str


def held_out_sentences(
    blocks: Any, tokenizer: PreTrainedTokenizerBase, count: int
) -> list[np.ndarray]:
    """Cuts whole short documents, as token ids with [CLS] and [SEP], out of packed blocks."""
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    found: list[np.ndarray] = []
    for number in range(len(blocks)):
        ids = np.asarray(blocks[number]["input_ids"])
        ends = np.flatnonzero(ids == sep)
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else []
        for start, end in zip(starts, ends, strict=True):
            body = ids[start + 1 : end]
            # The first and the last piece of a block may run on beyond it.
            whole = (start > 0 and end < ends[-1]) or len(ends) == 1
            if whole and _SHORTEST <= len(body) <= _LONGEST:
                found.append(np.concatenate([[cls], body, [sep]]))
                break
        if len(found) == count:
            return found
    if not found and len(blocks):
        ids = np.asarray(blocks[0]["input_ids"])
        found = [np.append(ids[: min(_LONGEST + 1, len(ids) - 1)], sep)]
    return found


def join_pieces(pieces: Sequence[str], marked: Sequence[bool]) -> str:
    """Joins WordPieces to a line, with [brackets] around those that are marked."""
    line = ""
    for piece, mark in zip(pieces, marked, strict=True):
        glued = piece.startswith("##")
        piece = piece[2:] if glued else piece
        line += ("" if glued or not line else " ") + (f"[{piece}]" if mark else piece)
    return line


@torch.no_grad()
def preview(
    model: RtdPair,
    *,
    tokenizer: PreTrainedTokenizerBase,
    collate: MaskingCollator,
    sentences: Sequence[np.ndarray],
    step: int,
    doubts: int = 5,
) -> list[Preview]:
    """Runs sentences through the pair.

    Args:
        model: The pair; its mode is left as it was.
        tokenizer: Names the tokens.
        collate: The collator of evaluation.
        sentences: Token ids with special ones, each of shape ``(seq_len,)``.
        step: The optimiser step, for the record.
        doubts: Tokens named in `doubted`, the likeliest replacements first.
    """
    examples = [{"input_ids": ids, "epoch": 0, "index": i} for i, ids in enumerate(sentences)]
    batch = {name: value.to(model.device) for name, value in collate(examples).items()}
    batch.pop("probe_ids", None)
    training = model.training
    model.eval()
    out = model(**batch)
    model.train(training)
    shown = []
    for row, ids in enumerate(sentences):
        keep = slice(1, len(ids) - 1)
        place = slice(-len(ids), None) if collate.padding_side == "left" else slice(0, len(ids))
        chosen = torch.zeros_like(batch["input_ids"][row], dtype=torch.bool)
        chosen[batch["positions"][row][batch["chosen"][row]]] = True
        chosen = chosen[place][keep].tolist()
        columns = [
            tokenizer.convert_ids_to_tokens(matrix[row][place][keep].tolist())
            for matrix in (batch["input_ids"], batch["masked_ids"], out.corrupted_ids)
        ]
        probability = out.disc_logits[row][place][keep].sigmoid()
        order = probability.argsort(descending=True)[:doubts].tolist()
        plain = [False] * len(chosen)
        shown.append(
            Preview(
                step=step,
                original=join_pieces(columns[0], plain),
                masked=join_pieces(columns[1], plain),
                filled_in=join_pieces(columns[2], chosen),
                doubted=", ".join(f"{columns[2][i]} {probability[i]:.2f}" for i in order),
            )
        )
    return shown


def show(previews: Sequence[Preview], *, console: Console | None = None) -> None:
    """Prints previews, a line for each view of a sentence."""
    console = console or Console(stderr=True, highlight=False)
    for item in previews:
        lines = Table.grid(padding=(0, 2, 0, 1))  # long sentences wrap beside their label
        for label, text in (
            ("original", item.original),
            ("masked", item.masked),
            ("filled in", item.filled_in),
            ("doubted", item.doubted),
        ):
            lines.add_row(Text(label, style="dim"), Text(text))
        console.print(lines, Text(""))


class PreviewCallback(TrainerCallback):
    """Shows previews every so many steps and keeps them for the record.

    Args:
        every: Steps between two previews.
        make: Gives the previews of a step.
        skip_time: Told the seconds that showing took.
    """

    def __init__(
        self,
        *,
        every: int,
        make: Callable[[RtdPair, int], list[Preview]],
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
