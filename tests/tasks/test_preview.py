from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from electralab.tasks.preview import held_out_sentences, join_pieces, preview
from tests.models.conftest import CLS, MASK, SEP, make_collator, make_pair

TOKENIZER = SimpleNamespace(
    cls_token_id=CLS,
    sep_token_id=SEP,
    convert_ids_to_tokens=lambda ids: ["[MASK]" if i == MASK else f"w{i}" for i in ids],
)


class Blocks(list):
    def __getitem__(self, number):
        return {"input_ids": super().__getitem__(number)}


def test_whole_documents_are_cut_out_of_blocks():
    first = np.r_[CLS, np.arange(20, 33), SEP, np.arange(40, 52), SEP, np.arange(60, 74), SEP]
    found = held_out_sentences(Blocks([first]), TOKENIZER, 3)
    # 20 to 32 may have begun in the block before, the last piece may go on in the next.
    assert [ids.tolist() for ids in found] == [[CLS, *range(40, 52), SEP]]


def test_pieces_are_joined_and_fill_ins_stand_in_brackets():
    pieces = ["re", "##turn", "the", "path", "##s"]
    assert join_pieces(pieces, [False] * 5) == "return the paths"
    assert join_pieces(pieces, [False, True, False, True, False]) == "re[turn] the [path]s"


def test_a_preview_shows_what_was_masked_filled_and_doubted():
    sentence = np.r_[CLS, np.arange(20, 40), SEP]
    pair = make_pair().train()
    (shown,) = preview(
        pair,
        tokenizer=TOKENIZER,
        collate=make_collator(replace_prob=1.0),
        sentences=[sentence],
        step=30,
    )
    assert pair.training
    assert shown.original == " ".join(f"w{i}" for i in range(20, 40))
    assert shown.masked.count("[MASK]") == 3 == shown.filled_in.count("[")
    rest = [a == b for a, b in zip(shown.masked.split(), shown.original.split(), strict=True)]
    assert rest.count(False) == 3
    probabilities = [float(part.split()[-1]) for part in shown.doubted.split(", ")]
    assert probabilities == sorted(probabilities, reverse=True) and len(probabilities) == 5
