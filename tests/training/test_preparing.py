"""Which attention a model is built with where none is asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import Seq2SeqTrainingArguments

from electralab.config import ModelConfig
from electralab.training import preparing


class Builder:
    """A task that keeps what it was asked to build."""

    def build_model(self, *, model, **rest):
        self.attention = model.attention
        return SimpleNamespace(model=torch.nn.Linear(1, 1))

    def describe(self, model) -> str:
        return "a line"


@pytest.mark.parametrize(
    ("wanted", "bf16", "lengths", "built"),
    [
        (None, True, (128, None), "eager"),
        (None, True, (256, 256), "eager"),
        (None, True, (257, None), None),
        (None, True, (128, 512), None),
        (None, False, (128, None), None),
        ("sdpa", True, (128, None), "sdpa"),
        ("eager", False, (512, None), "eager"),
    ],
)
def test_short_rows_in_bf16_on_a_cpu_get_eager_attention_unless_asked(
    tmp_path, wanted, bf16, lengths, built
):
    length, target = lengths
    config = SimpleNamespace(
        seed=0,
        deterministic=False,
        model=ModelConfig.model_construct(attention=wanted),
        data=SimpleNamespace(max_length=length, max_target_length=target),
    )
    arguments = Seq2SeqTrainingArguments(output_dir=str(tmp_path), bf16=bf16, use_cpu=True)
    task = Builder()
    origins = SimpleNamespace(model=None, generator=None)
    preparing.build(config, task, origins=origins, data=None, arguments=arguments)
    assert task.attention == built
    assert config.model.attention == wanted  # what is recorded is what was asked for
