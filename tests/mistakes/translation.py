"""What cannot be translated."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

from tests.mistakes.case import Cases, Place
from tests.tasks.translating import TINY, words, write_pairs

case = Cases()


def pairs(place: Place, *more: str) -> list[str]:
    return words(write_pairs(place.path / "pairs.jsonl").name, *more)


def multilingual(place: Place, *more: str) -> list[str]:
    """Words of a run from an mBART-50, which must be told the languages."""
    folder = place.path / "mbart"
    tokenizer = MBart50Tokenizer()
    tokenizer.save_pretrained(folder)
    sizes = {"d_model": 16, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    sizes |= {f"{half}_layers": 1 for half in ("encoder", "decoder")}
    sizes |= {f"{half}_attention_heads": 2 for half in ("encoder", "decoder")}
    sizes |= {f"{half}_ffn_dim": 16 for half in ("encoder", "decoder")}
    torch.manual_seed(0)
    MBartForConditionalGeneration(MBartConfig(**sizes)).save_pretrained(folder)
    own = [word for word in TINY if not word.startswith("model.")]
    path = write_pairs(place.path / "pairs.jsonl").name
    columns = ["data.columns.source=translation.en", "data.columns.target=translation.fr"]
    start = ["model=auto", "model.name_or_path=mbart", "trainer=finetune"]
    return ["task=translation", "data=json", f"data.path={path}", *columns, *start, *own, *more]


def aligned(place: Place, *lines: int) -> str:
    """Writes two files of so many lines, and returns them as a list."""
    names = [place.file(f"a.{i}", "a line\n" * count) for i, count in enumerate(lines)]
    return f"[{','.join(names)}]"


case(
    "language-that-the-tokenizer-lacks",
    lambda place: multilingual(place, "task.source_lang=en_XX", "task.target_lang=fr"),
    *("`task.target_lang`", "language code", "'fr'", "`fr_XX`"),
)
case(
    "language-that-is-missing",
    lambda place: multilingual(place, "task.source_lang=en_XX"),
    *("`task.target_lang`", "language code", "is null"),
)
case(
    "language-without-use",
    lambda place: pairs(place, "task.target_lang=fr"),
    *("`task.target_lang` must be null", "from scratch", "'fr'", "`task.prefix`"),
)
case(
    "target-column-missing",
    lambda place: pairs(place, "data.columns.target=translation.de"),
    *("`data.columns.target`", "translation.de", "translation.fr"),
)
case(
    "an-encoder-for-translation",
    lambda place: [
        *(word for word in pairs(place) if not word.startswith("model.")),
        *("model=auto", f"model.name_or_path={place.part('disc')}"),
    ],
    *("`model.name_or_path`", "encoder with a decoder", "electra"),
)
case(
    "target-longer-than-positions",
    lambda place: pairs(place, "data.max_target_length=65"),
    *("`data.max_target_length`", "at most 64", "is 65"),
)
case(
    "beams-for-the-trainer",
    lambda place: pairs(place, "trainer.generation_num_beams=2"),
    *("`trainer.generation_num_beams`", "`task.num_beams`"),
)
case(
    "lines-that-do-not-match",
    lambda place: [
        *("task=translation", "data=moses", *TINY),
        f"data.path={aligned(place, 2, 1)}",
    ],
    *("a.0", "a.1", "2", "1"),
)


def _empty_sides(place: Place) -> list[str]:
    rows = [{"translation": {"en": "a", "fr": ""}}, {"translation": {"en": None, "fr": "b"}}]
    Path("pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return words("pairs.jsonl")


case("pairs-with-an-empty-side", _empty_sides, "`data.path`", "1 are null, 1 are empty")
