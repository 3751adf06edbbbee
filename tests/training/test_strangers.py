"""What a run goes on from may have been written by anyone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from electralab.errors import UserError
from electralab.training import session, window


@pytest.fixture
def trainer():
    return SimpleNamespace(
        args=SimpleNamespace(world_size=1, device="cpu"),
        callback_handler=SimpleNamespace(callbacks=[]),
        state=SimpleNamespace(log_history=[], global_step=0, max_steps=9, epoch=0.0),
        _load_from_checkpoint=lambda path: None,
    )


HISTORIES = [
    "[1]",
    '{"a": 1}',
    "[[]]",
    "[]",
    "[{}]",
    '[{"step": "x", "epoch": 1}]',
    "3",
    "nonsense",
]


@pytest.mark.parametrize("content", [*HISTORIES, '[{"step": 1e999, "epoch": 1}]'])
def test_a_history_that_is_none_is_left_out(trainer, tmp_path, content):
    (tmp_path / "history.json").write_text(content)
    session._load_trained(trainer, tmp_path)
    assert trainer.state.log_history == [] and trainer.state.max_steps == 9


def test_a_history_is_taken_up(trainer, tmp_path):
    (tmp_path / "history.json").write_text('[{"loss": 2.0, "step": 4, "epoch": 0.5}]')
    session._load_trained(trainer, tmp_path)
    assert trainer.state.log_history == [{"loss": 2.0, "step": 4, "epoch": 0.5}]
    assert (trainer.state.global_step, trainer.state.max_steps, trainer.state.epoch) == (4, 4, 0.5)


WHOLE = '"loss": 1, "since": 2, "due": true'


@pytest.mark.parametrize(
    "content",
    [
        *('{"loss": "x"}', '{"loss": 1}', '{"loss": 1, "since": [], "sums": null, "due": true}'),
        *(f'{{{WHOLE}, "sums": ["a"], "type": "float32"}}', f'{{{WHOLE}, "sums": [1]}}'),
        f'{{{WHOLE}, "sums": [1], "type": "int4"}}',
    ],
)
def test_sums_that_are_none_are_refused_in_a_line(trainer, tmp_path, content):
    (tmp_path / "window.json").write_text(content)
    with pytest.raises(UserError, match=r"window\.json is none of ours; remove "):
        window.take_up(trainer, tmp_path)
