"""`trainer.torch_compile` of replaced token detection: one graph for all steps of a shape."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils.data import Dataset

from electralab.cli import main
from tests.conftest import TINY, write_corpus
from tests.models.conftest import make_examples
from tests.running.test_resume import history_of, runs
from tests.training.test_trainer import make_trainer, weights


class FullRows(Dataset):
    def __init__(self) -> None:
        self.rows = [example["input_ids"] for example in make_examples([30] * 64)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, g: int) -> dict:
        epoch, index = divmod(g, len(self.rows))
        return {"input_ids": self.rows[index], "epoch": epoch, "index": index}


@pytest.fixture(autouse=True)
def fresh_counters():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("checkpointed", [False, True])
def test_all_steps_of_a_shape_are_one_graph_without_breaks(tmp_path, checkpointed):
    found = {}
    for compiled in (False, True):
        trainer = make_trainer(
            tmp_path,
            torch_compile=compiled,
            torch_compile_backend="aot_eager" if compiled else None,
            gradient_checkpointing=checkpointed,
        )
        trainer.train_dataset = FullRows()
        trainer.train()
        assert trainer.state.global_step == 8
        found[compiled] = weights(trainer)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"] and not counters["recompiles"]
    for name, weight in found[False].items():
        torch.testing.assert_close(found[True][name], weight, rtol=1e-4, atol=1e-5, msg=name)


def test_a_compiled_run_has_no_breaks_and_the_same_end(here):
    write_corpus(here / "small.txt", documents=60)
    typed = ["data=text", "data.path=small.txt", *TINY, "tracking=off"]
    compiled = ["trainer.torch_compile=true", "trainer.torch_compile_backend=eager"]
    assert main([*typed, "name=plain"]) == 0
    assert main([*typed, *compiled, "name=compiled"]) == 0
    assert not counters["graph_break"] and counters["stats"]["unique_graphs"]
    [one], [other] = runs(here, "plain"), runs(here, "compiled")
    for plain, found in zip(history_of(one), history_of(other), strict=True):
        assert found == pytest.approx(plain, rel=1e-4)
