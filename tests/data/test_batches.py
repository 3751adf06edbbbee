from __future__ import annotations

from electralab.data import batches as module
from electralab.data.batches import batches


def test_a_batch_ends_by_characters_or_by_documents(monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS", 10)
    monkeypatch.setattr(module, "DOCUMENTS", 3)
    texts = ["a" * 12, "bb", None, "c", "d" * 9, "e", "f"]
    got = list(batches(texts))
    assert got == [["a" * 12], ["bb", None, "c"], ["d" * 9, "e"], ["f"]]
    assert list(batches([])) == []
