"""What a window says of its speed: by a clock, a rate and FLOPs that are given."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerCallback

from electralab.timing import MEMORY, MFU, SPEED, WAIT, in_words, typical
from electralab.training import checkpointing, rate
from electralab.training.speed import Speed
from tests.training.test_trainer import make_trainer


class Clock:
    """Stands still unless it is told otherwise."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def closed(speed: Speed, **changes) -> dict[str, float]:
    sums = {"tokens": 600, "flops": speed.flops, "waited": speed.waited, "memory": 2_500_000}
    return speed.close(**(sums | changes))


def batches(clock: Clock, seconds: float):
    while True:
        clock.now += seconds
        yield "batch"


def test_the_use_of_the_matrix_rate_is_flops_by_seconds_and_rate(clock):
    speed = Speed(rate=1000.0, clock=clock)
    assert speed.take(batches(clock, 0.5), 2) == ["batch", "batch"]
    speed.add(2500.0)
    speed.add(torch.tensor(1500.0))
    clock.now += 4.0
    window = closed(speed)
    assert window == {SPEED: 120.0, MFU: 0.8, WAIT: 0.2, MEMORY: 2.5}
    clock.now += 2.0
    speed.add(1000.0)
    assert closed(speed, tokens=10) == {SPEED: 5.0, MFU: 0.5, WAIT: 0.0, MEMORY: 2.5}


def test_of_two_processes_the_rate_and_the_waiting_are_those_of_both(clock):
    speed = Speed(rate=1000.0, clock=clock)
    clock.now += 5.0
    window = closed(speed, flops=8000.0, waited=1.0, processes=2)
    assert window == {SPEED: 120.0, MFU: 0.8, WAIT: 0.1, MEMORY: 2.5}


def test_the_last_batches_of_an_epoch_may_be_fewer():
    speed = Speed(rate=1.0)
    rest = iter("abc")
    assert [speed.take(rest, 2) for _ in range(3)] == [["a", "b"], ["c"], []]


def test_what_is_no_training_does_not_count_even_where_it_fails(clock):
    speed = Speed(rate=1000.0, clock=clock)
    clock.now += 3.0
    with pytest.raises(OSError), speed.aside():
        clock.now += 50.0
        assert speed.seconds == 3.0  # what a checkpoint keeps
        raise OSError
    clock.now += 1.0
    speed.skip(0.5)
    assert speed.seconds == 3.5


def test_a_window_goes_on_from_a_checkpoint_as_if_no_time_had_passed(clock):
    speed = Speed(rate=1000.0, clock=clock)
    speed.take(batches(clock, 1.0), 1)
    speed.add(3000.0)
    clock.now += 3.0
    kept = speed.state()
    clock.now += 1000.0
    again = Speed(rate=1000.0, clock=clock)
    clock.now += 20.0  # loading
    again.take_up(kept)
    again.add(1000.0)
    clock.now += 1.0
    assert closed(again) == {SPEED: 120.0, MFU: 0.8, WAIT: 0.2, MEMORY: 2.5}


def test_the_count_of_the_whole_training_misses_nothing_and_has_nothing_twice():
    speed = Speed(rate=1.0)
    speed.add(3.0)
    assert speed.unstored() == 3.0 and speed.flops == 3.0
    speed.add(torch.tensor(4.0))
    closed(speed)
    speed.add(5.0)
    assert speed.unstored() == 9.0 and speed.unstored() == 0.0 and speed.flops == 5.0


class Steps(TrainerCallback):
    """Lets each step take two seconds, and each evaluation a thousand."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_begin(self, args, state, control, **kwargs):
        self.clock.now += 2.0

    def on_prediction_step(self, args, state, control, **kwargs):
        self.clock.now += 1000.0


def logs_of(trainer) -> list[dict]:
    return [logs for logs in trainer.state.log_history if "loss" in logs]


def test_a_training_logs_what_it_did_by_the_clock(tmp_path, clock, monkeypatch):
    """8 rows a step, 4 steps of 2 s a log, in which evaluations and checkpoints do not count."""
    write = checkpointing.write

    def slowly(*args, **kwargs):
        clock.now += 500.0
        write(*args, **kwargs)

    monkeypatch.setattr(checkpointing, "write", slowly)
    speed = Speed(rate=1e6, clock=clock)
    steps = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 6}
    trainer = make_trainer(tmp_path, callbacks=[Steps(clock)], speed=speed, **steps)
    seen, take = [], speed.take

    def watched(*args):
        seen.append(take(*args))
        return seen[-1]

    speed.take = watched
    trainer.train()
    flops = [float(trainer._costs.of(batch)) for step in seen for batch in step]
    tokens = [int(batch["attention_mask"].sum()) for step in seen for batch in step]
    first, second = logs_of(trainer)
    for log, part in ((first, slice(4)), (second, slice(4, 8))):
        assert log[MFU] == pytest.approx(sum(flops[part]) / (8 * 1e6))
        assert log[SPEED] == pytest.approx(sum(tokens[part]) / 8)
        assert log[WAIT] == 0 and log[MEMORY] > 50
    assert trainer.state.total_flos == pytest.approx(sum(flops))
    again = make_trainer(
        tmp_path / "b", callbacks=[Steps(clock)], speed=Speed(rate=1e6, clock=clock), **steps
    )
    clock.now += 1e6
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    found = logs_of(again)[-1]
    for name in (MFU, SPEED, WAIT):
        assert found[name] == pytest.approx(second[name]), name
    assert again.state.total_flos == pytest.approx(sum(flops))


def test_nothing_is_read_back_between_two_logs(tmp_path, monkeypatch):
    """A step adds to a tensor; only a log turns it into a number."""
    read = []
    monkeypatch.setattr(
        Speed, "flops", property(lambda speed: read.append(float(speed._unread)) or 0.0)
    )
    trainer = make_trainer(tmp_path, max_steps=4, logging_steps=4)
    steps = []
    add = trainer.speed.add
    trainer.speed.add = lambda flops: steps.append((flops, len(read))) or add(flops)
    trainer.train()
    assert [number for _, number in steps] == [0, 0, 0, 0]
    assert all(isinstance(flops, torch.Tensor) for flops, _ in steps)


def arguments(**changes) -> SimpleNamespace:
    precision = {"bf16": False, "fp16": False, "tf32": None}
    return SimpleNamespace(device=torch.device("cpu"), **(precision | changes))


def test_the_matrix_rate_is_that_of_the_best_product_and_measured_once(monkeypatch):
    """A machine of 2 GFLOP/s that loses a millisecond a product: larger ones come closer to it."""
    rate.matrix_rate.cache_clear()
    clock, sizes = Clock(), []

    def product(device, dtype, size):
        sizes.append((size, dtype))
        seconds = 2 * size**3 / 2e9 + 1e-3
        clock.now += seconds
        return seconds * (2 if clock.now > Clock.now + 9 else 1)  # disturbed by others at the end

    monkeypatch.setattr(rate, "BUDGET", 10.0)
    monkeypatch.setattr(rate, "_seconds", product)
    monkeypatch.setattr(rate.time, "perf_counter", clock)
    found = rate.of_training(arguments())
    assert found == max(2 * size**3 / (2 * size**3 / 2e9 + 1e-3) for size, _ in sizes[:-1])
    assert sizes[0][0] == 256 and 1.9e9 < found < 2e9
    assert clock.now - Clock.now <= 10.0 + 2 * 256**3 / 2e9 + 1e-3
    known = len(sizes)
    assert rate.of_training(arguments()) == found and len(sizes) == known
    rate.of_training(arguments(bf16=True))
    assert {dtype for _, dtype in sizes[known:]} == {torch.bfloat16}
    rate.matrix_rate.cache_clear()


def test_measuring_the_rate_draws_nothing():
    rate.matrix_rate.cache_clear()
    before = torch.get_rng_state()
    assert rate.of_training(arguments()) > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_summary_has_the_medians_of_the_windows_and_the_most_memory():
    logs = [{"loss": 1.0, SPEED: value, MEMORY: 10 * value} for value in (5.0, 1.0, 3.0)]
    found = typical([*logs, {"eval_loss": 2.0}, {"train_runtime": 9.0, SPEED: 100.0}])
    assert found == {SPEED: 3.0, MEMORY: 50.0}
    assert in_words(found) == "3 tokens/s, 0.1 GB at most"
    assert in_words({"eval_loss": 2.0}) is None
