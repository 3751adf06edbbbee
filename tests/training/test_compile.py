"""`trainer.torch_compile` with batches of many lengths: the same numbers, and few graphs."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.utils import counters

from electralab.cli import main
from tests.running.test_resume import history_of, runs, weights_of
from tests.tasks import translating
from tests.tasks.classifying import examples, words, write_csv

COMPILED = ["trainer.torch_compile=true", "trainer.torch_compile_backend=eager"]
STEPS = ["tracking=off", "trainer.max_steps=6", "trainer.logging_steps=1"]


def command(task: str, here) -> list[str]:
    if task == "translation":
        path = translating.write_pairs(here / "pairs.jsonl")
        return [*translating.words(path.name), "trainer.eval_strategy=no", *STEPS]
    packing = "separate" if task == "packed" else "none"
    table = write_csv(here / "data.csv", examples(90))
    return [*words(table), f"data.packing={packing}", "trainer.eval_strategy=no", *STEPS]


@pytest.mark.parametrize("task", ["classification", "packed", "translation"])
def test_a_compiled_run_has_few_graphs_without_breaks_and_the_same_end(task, here):
    typed = command(task, here)
    assert main([*typed, "name=plain"]) == 0
    torch._dynamo.reset()
    counters.clear()
    assert main([*typed, *COMPILED, "name=compiled"]) == 0
    [plain], [compiled] = runs(here, "plain"), runs(here, "compiled")
    assert weights_of(plain) == weights_of(compiled)
    assert history_of(plain) == history_of(compiled)
    assert not counters["graph_break"]
    # One in training and one in evaluation, and another of each where a size is 1.
    assert 1 <= counters["stats"]["unique_graphs"] <= 4
    graphs = counters["stats"]["unique_graphs"]
    assert main([*typed, "name=plain-again"]) == 0  # nothing of it is left in the process
    assert counters["stats"]["unique_graphs"] == graphs
