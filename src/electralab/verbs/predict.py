"""`electralab predict`: what a trained pair says about a text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from electralab.errors import UserError
from electralab.verbs.common import find, finished_model, split_options


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab predict",
        description="Shows for each word how likely it was replaced; in a text with [MASK], what "
        "the generator would fill in. Reads lines from standard input if no TEXT is given.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument("text", metavar="TEXT", nargs="*", default=[], help="one text each")
    parser.add_argument("--top-k", type=int, default=5, help="fill-ins a mask (default 5)")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    arguments, settings = split_options(parser, argv)
    if arguments.top_k < 1:
        raise UserError(f"--top-k must be at least 1, but is {arguments.top_k} instead.")
    record = find(arguments.run, settings)
    texts = map(_utf8, arguments.text) if arguments.text else _standard_input()
    predictor = Predictor(record.folder)
    for result in predictor.predict(texts, top_k=arguments.top_k):
        if arguments.json:
            print(json.dumps(result, ensure_ascii=False), flush=True)
        else:
            _show(result)
    return 0


def _utf8(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(f"TEXT must be UTF-8, but {text!a} is not.") from None
    return text


def _standard_input() -> Iterator[str]:
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(f"Standard input must be UTF-8, but holds 0x{byte:02x}.") from None


class Predictor:
    """The pair of a run, ready to judge texts.

    Args:
        run_folder: A folder of a finished run.

    Raises:
        UserError: The run has no model, or a damaged one.
    """

    def __init__(self, run_folder: Path) -> None:
        source = finished_model(run_folder)
        from transformers import logging

        from electralab.models.loading import load_whole_pair
        from electralab.models.tokenizers import load_tokenizer

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.tokenizer = load_tokenizer(str(source), key="RUN")
        self.pair = load_whole_pair(source).eval()
        self.longest = self.pair.config.discriminator.max_position_embeddings - 2

    def predict(self, texts: Iterable[str], *, top_k: int = 5) -> Iterator[dict[str, Any]]:
        """Judges texts one by one.

        Args:
            texts: Texts of any length; long ones are judged window by window.
            top_k: Fill-ins a mask.

        Yields:
            ``text``, and ``words`` (each with the probability that it was replaced) or, for a text
            with masks, ``masks`` (for each a list of fill-ins with their probability).
        """
        import torch

        for text in texts:
            masked = text.replace("[MASK]", self.tokenizer.mask_token)
            encoded = self.tokenizer(
                masked, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            with torch.inference_mode():
                if self.tokenizer.mask_token_id in encoded["input_ids"]:
                    yield {"text": text, "masks": self._fill(encoded["input_ids"], top_k)}
                else:
                    yield {"text": text, "words": self._doubt(masked, encoded)}

    def _windows(self, ids: list[int]) -> Iterator[Any]:
        import torch

        for start in range(0, len(ids), self.longest):
            window = ids[start : start + self.longest]
            framed = [self.tokenizer.cls_token_id, *window, self.tokenizer.sep_token_id]
            yield torch.tensor([framed])

    def _doubt(self, text: str, encoded: Any) -> list[dict[str, Any]]:
        probabilities: list[float] = []
        for window in self._windows(encoded["input_ids"]):
            probabilities += self.pair.doubt_logits(window)[0, 1:-1].sigmoid().tolist()
        words: list[dict[str, Any]] = []
        last = None
        for word, (start, end), p in zip(
            encoded.word_ids(), encoded["offset_mapping"], probabilities, strict=True
        ):
            if word == last:  # another piece: the word is as doubtful as its most doubtful piece
                begin = words[-1]["start"]
                words[-1] |= {
                    "word": text[begin:end],
                    "end": end,
                    "replaced": max(p, words[-1]["replaced"]),
                }
            else:
                words.append({"word": text[start:end], "start": start, "end": end, "replaced": p})
            last = word
        return words

    def _fill(self, ids: list[int], top_k: int) -> list[list[dict[str, Any]]]:
        found = []
        for window in self._windows(ids):
            places = (window[0] == self.tokenizer.mask_token_id).nonzero().T
            if not places.numel():
                continue
            probabilities = self.pair.fill_logits(window, places)[0].softmax(-1)
            top = probabilities.topk(min(top_k, probabilities.shape[-1]))
            for values, tokens in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                pieces = self.tokenizer.convert_ids_to_tokens(tokens)
                found.append(
                    [{"token": t, "probability": p} for t, p in zip(pieces, values, strict=True)]
                )
        return found


def _show(result: dict[str, Any]) -> None:
    """Prints one result for a person."""
    print(result["text"])
    if "masks" in result:
        for number, fills in enumerate(result["masks"], 1):
            shown = ", ".join(f"{fill['token']} {fill['probability']:.3f}" for fill in fills)
            print(f"  [MASK] {number}: {shown}")
        return
    words = sorted(result["words"], key=lambda word: -word["replaced"])[:5]
    shown = ", ".join(f"{word['word']} {word['replaced']:.3f}" for word in words)
    print(f"  doubted most: {shown}" if words else "  (no words)")
