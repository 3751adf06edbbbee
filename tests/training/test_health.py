"""Losses and gradients that are not finite: which step it was, and that it left no trace."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from transformers import TrainerCallback

from electralab.cli import main
from electralab.errors import RunFailure
from electralab.tasks.rtd import ReplacedTokenDetection
from electralab.training.health import FILE, MOST_IN_A_ROW
from tests.conftest import TINY
from tests.training.test_trainer import make_trainer, weights, windows

MEASURED = {"learning_rate", "skipped_steps"}  # of a window without a step


class Watch(TrainerCallback):
    """Keeps the weights and the optimiser's state of the end of each step."""

    def __init__(self) -> None:
        self.steps: list[tuple[dict, dict]] = []

    def on_step_end(self, args, state, control, model=None, optimizer=None, **kwargs):
        kept = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.steps.append((kept, copy.deepcopy(optimizer.state_dict()["state"])))


def poison(trainer, *batches: int, sums: bool = True) -> list[dict]:
    """Makes the losses of some batches of a training NaN; returns all batches as they come."""
    step, seen = trainer._task.step, []

    def poisoned(model, inputs, totals):
        output = step(model, inputs, totals)
        seen.append({name: value.tolist() for name, value in inputs.items()})
        if len(seen) in batches:
            output.loss = output.loss + math.nan  # of which no gradient knows
            output.statistics[0] = math.nan
        return output

    trainer._task.step = poisoned
    return seen


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(torch.as_tensor(one[key]), torch.as_tensor(other[key])) for key in one)


def same_state(one: dict, other: dict) -> bool:
    return all(same(one[key], other[key]) for key in one)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_loss_that_is_not_finite_stops_before_it_is_learned_from(tmp_path, on_device):
    watch = Watch()
    trainer = make_trainer(
        tmp_path / "checkpoints",
        callbacks=[watch],
        gradient_accumulation_steps=2,
        save_strategy="steps",
        save_steps=1,
        logging_steps=100,
    )
    trainer.health._on_device = on_device
    seen = poison(trainer, 6)  # in the third step
    with pytest.raises(RunFailure, match=r"diverged at step 3: mlm_loss is nan .*learning_rate"):
        trainer.train()
    saved = {path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")}
    assert saved == {"checkpoint-1", "checkpoint-2"}
    assert same(weights(trainer), watch.steps[1][0])
    assert all(torch.isfinite(value).all() for value in weights(trainer).values())
    kept = json.loads((tmp_path / FILE).read_text())
    assert kept["step"] == 3 and [batch["tensors"] for batch in kept["batches"]] == seen[4:]
    assert [batch["losses"]["loss"] == "nan" for batch in kept["batches"]] == [False, True]


def test_gradients_that_are_not_finite_stop_as_well(tmp_path):
    trainer = make_trainer(tmp_path / "checkpoints", max_grad_norm=0)
    calls = iter(range(1, 100))
    parameter = next(trainer.model.discriminator.parameters())
    parameter.register_hook(lambda grad: grad * (math.inf if next(calls) == 4 else 1))
    with pytest.raises(RunFailure, match=r"step 4: the norm of the gradients is (inf|nan)"):
        trainer.train()
    assert json.loads((tmp_path / FILE).read_text())["step"] == 4


@pytest.mark.parametrize("in_the_loss", [False, True])
def test_an_overflow_of_scaled_gradients_is_no_failure_but_one_of_the_loss_is(
    tmp_path, in_the_loss
):
    """In fp16 the scaler leaves out such a step by itself, and the next ones are whole."""
    watch = Watch()
    trainer = make_trainer(tmp_path / "checkpoints", callbacks=[watch])
    trainer.accelerator.scaler = torch.amp.GradScaler("cpu")
    calls = iter(range(1, 100))
    parameter = next(trainer.model.discriminator.parameters())
    parameter.register_hook(lambda grad: grad * (math.inf if next(calls) == 4 else 1))
    if in_the_loss:
        poison(trainer, 6)
        with pytest.raises(RunFailure, match="step 6: mlm_loss is nan"):
            trainer.train()
    else:
        trainer.train()
        third, fourth, fifth = (watch.steps[i][0] for i in (2, 3, 4))
        assert same(third, fourth) and not same(fourth, fifth)


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adamw_torch", "sgd"])
def test_a_skipped_step_leaves_no_trace(tmp_path, optim):
    """Neither in the weights nor in the optimiser nor in the means of the window."""
    found = []
    ways = (False, True) if optim == "adamw_torch_fused" else (False,)
    for on_device in ways:
        watch = Watch()
        trainer = make_trainer(
            tmp_path / "x", on_nan="skip", callbacks=[watch], optim=optim, logging_steps=1
        )
        trainer.health._on_device = on_device
        poison(trainer, 3, 4)
        trainer.train()
        (second, state), (fourth, later), (fifth, _) = (watch.steps[i] for i in (1, 3, 4))
        assert same(second, fourth) and same_state(state, later) and not same(fourth, fifth)
        found.append(watch.steps)
    assert all(same(one[0], other[0]) for one, other in zip(found[0], found[-1], strict=True))
    logs = [log for log in trainer.state.log_history if "learning_rate" in log]
    assert [log["skipped_steps"] for log in logs] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert [set(log) - {"step", "epoch"} for log in logs[2:4]] == [MEASURED] * 2
    assert all(math.isfinite(value) for log in logs for value in log.values())

    whole = make_trainer(tmp_path / "y", on_nan="skip", optim=optim, logging_steps=8)
    poison(whole, 3, 4)
    whole.train()
    taken = [log["loss"] for log in windows(trainer)]
    [window] = windows(whole)
    assert window["loss"] == pytest.approx(sum(taken) / 6, rel=1e-5)
    assert math.isfinite(window["mlm_loss"])


def test_too_many_skipped_in_a_row_stop_after_all(tmp_path):
    trainer = make_trainer(tmp_path / "checkpoints", on_nan="skip", max_steps=16)
    poison(trainer, 2, *range(4, 100))
    with pytest.raises(RunFailure, match=f"{MOST_IN_A_ROW} steps in a row, the last .* step 13: "):
        trainer.train()


@pytest.mark.parametrize("cut", [3, 5])
def test_what_was_skipped_survives_a_resume(tmp_path, cut):
    how = {"on_nan": "skip", "max_steps": 8, "logging_steps": 8, "gradient_accumulation_steps": 2}
    straight = make_trainer(tmp_path / "a", **how, save_strategy="steps", save_steps=cut)
    poison(straight, 6, 13)  # steps 3 and 7
    straight.train()
    again = make_trainer(tmp_path / "b", **how, restore_callback_states_from_checkpoint=True)
    poison(again, 13 - 2 * cut)
    again.train(resume_from_checkpoint=str(tmp_path / "a" / f"checkpoint-{cut}"))
    assert same(weights(again), weights(straight)) and windows(again) == windows(straight)
    assert windows(again)[0]["skipped_steps"] == 2


def test_a_run_that_was_stopped_goes_on_from_good_weights(corpus, here, monkeypatch, capsys):
    words = ["data=text", f"data.path={corpus}", *TINY, "tracking=off"]
    step, calls = ReplacedTokenDetection.step, iter(range(1, 100))

    def poisoned(task, model, batch, totals):
        output = step(task, model, batch, totals)
        output.loss = output.loss * (math.nan if next(calls) == 5 else 1)
        return output

    with monkeypatch.context() as patch:
        patch.setattr(ReplacedTokenDetection, "step", poisoned)
        assert main([*words, "name=stopped"]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    [run] = (here / "outputs" / "stopped").iterdir()
    assert line.startswith("The training diverged at step 5: loss is nan") and str(run) in line
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "FAILED" and summary["reason"] == line.rstrip(".")
    [batch] = json.loads((run / FILE).read_text())["batches"]
    assert len(batch["texts"]) == 4 and "[CLS]" in batch["texts"][0]
    assert main(["resume", str(run)]) == main([*words, "name=straight"]) == 0
    [straight] = (here / "outputs" / "straight").iterdir()
    one, other = ((one / "model/model.safetensors").read_bytes() for one in (run, straight))
    assert one == other
