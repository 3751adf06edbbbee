from __future__ import annotations

from electralab.data import batches as module
from electralab.data.batches import batches, column_batches


def test_a_batch_ends_by_characters_or_by_documents(monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS", 10)
    monkeypatch.setattr(module, "DOCUMENTS", 3)
    texts = ["a" * 12, "bb", None, "c", "d" * 9, "e", "f"]
    got = list(batches(texts))
    assert got == [["a" * 12], ["bb", None, "c"], ["d" * 9, "e"], ["f"]]
    assert list(batches([])) == []


def test_columns_end_together_and_the_parts_of_an_example_count_together(monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS", 10)
    monkeypatch.setattr(module, "DOCUMENTS", 3)
    examples = [["a" * 4, "b" * 6], ["c", None], [None, "d" * 9], *[["e", "f"]] * 4]
    got = list(column_batches(examples, 2))
    assert got[:2] == [[["a" * 4], ["b" * 6]], [["c", None], [None, "d" * 9]]]
    assert got[2:] == [[["e"] * 3, ["f"] * 3], [["e"], ["f"]]]
    assert list(column_batches([], 2)) == []
