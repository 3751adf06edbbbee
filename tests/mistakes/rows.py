"""Mistakes with `data.packing` and `task.phases`."""

from __future__ import annotations

import shutil

from transformers import DebertaV2Config, DebertaV2ForMaskedLM

from tests.mistakes.case import SIZES, Cases, Place, train

case = Cases()
APART = "data.packing=separate"


def phased(*phases: tuple[int, float], steps: str = "trainer.max_steps=6") -> list[str]:
    items = ",".join(f"{{length:{length},share:{share}}}" for length, share in phases)
    return train(f"task.phases=[{items}]", steps)


case(
    "packing-of-no-name",
    train("data.packing=apart"),
    *("`data.packing` must be one of `concat`, `separate`, `none`", "'apart'"),
)
case(
    "texts-apart-in-flash-attention",
    train(APART, "model.attention=flash_attention_2"),
    *("`model.attention`", "sdpa", "flex_attention", "data.packing=separate"),
)
case(
    "flex-attention-without-a-gpu",
    train("model.attention=flex_attention", "model.dropout=0"),
    *("`model.attention` must be sdpa, eager or null on a CPU", "flex_attention"),
)
case(
    "texts-apart-in-a-translation",
    ["task=translation", "data=ui_strings_enfr", "model=marian_tiny", APART],
    *("`data.packing` must be concat or none", "is separate instead"),
)


def _deberta(place: Place) -> list[str]:
    """A model whose mask has a form of its own."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = DebertaV2Config(vocab_size=300, intermediate_size=16, pad_token_id=0, **sizes)
    DebertaV2ForMaskedLM(config).save_pretrained(place.path / "deberta")
    for file in (place.base.run / "model").glob("tokenizer*.json"):
        shutil.copy(file, place.path / "deberta")
    return [
        *("task=mlm", "data=text", "data.path=corpus.txt", *SIZES, APART),
        *("model=auto", "model.name_or_path=deberta"),
    ]


case("texts-apart-in-a-deberta", _deberta, "`data.packing`", "concat or none", "'deberta-v2'")
case("phases-too-long", phased((8, 0.5), (64, 0.5)), "`task.phases.1.length`", "at most", "32")
case("phases-too-short", phased((4, 0.5), (32, 0.5)), "`task.phases.0.length`", "at least 8")
case("phases-of-no-shares", phased((8, 0.9), (32, 0.2)), "`task.phases`", "1 together", "1.1")
case(
    "phases-without-steps",
    phased((8, 0.9), (32, 0.1), steps="trainer.max_steps=-1"),
    *("`trainer.max_steps` must be set with `task.phases`", "-1"),
)
case("phases-with-few-steps", phased((8, 0.99), (32, 0.01)), "`trainer.max_steps`", "a step")
case(
    "phases-that-end-with-an-epoch",
    [*phased((8, 0.5), (32, 0.5)), "trainer.eval_strategy=epoch"],
    *("`trainer.eval_strategy`", "`task.phases`"),
)
case("phases-of-a-number", train("task.phases=128"), "`task.phases`", "length and share", "128")
case(
    "phases-with-another-key",
    train("task.phases=[{length:8,share:1,size:2}]"),
    "`task.phases.0.size`",
)
case("phases-of-none", train("task.phases=[]"), "`task.phases` must not be empty")
