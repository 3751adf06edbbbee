"""Pruning: a run that does worse than the others is stopped, said so, and counts as done."""

from __future__ import annotations

import json
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from transformers import TrainerControl

from electralab import cli
from electralab.running.part import Pruning
from electralab.training.pruning import StopPoorRun, make_pruner, open_storage
from tests.conftest import TINY, write_corpus
from tests.sweeping.conftest import folder, record, sweep

MEDIAN = {"name": "median", "n_startup_trials": 2, "n_warmup_steps": 0, "interval_steps": 1}
HALVING = {"name": "halving", "min_resource": 2, "reduction_factor": 2}


class Search:
    """A search of which some trials are finished and one runs.

    Args:
        curves: Of the finished trials, a value at steps 1, 2 and so on.
        direction: Of the objective.
    """

    def __init__(self, curves: list[list[float]], direction: str = "maximize") -> None:
        self.url = "sqlite:///search.db"
        self.study = optuna.create_study(
            study_name="s", storage=open_storage(self.url), direction=direction
        )
        for curve in curves:
            self.study.add_trial(
                create_trial(
                    value=curve[-1],
                    params={"x": 0.5},
                    distributions={"x": FloatDistribution(0, 1)},
                    intermediate_values=dict(enumerate(curve, 1)),
                )
            )
        self.number = self.study.ask({"x": FloatDistribution(0, 1)}).number

    def judge(self, pruner: dict, metric: str = "eval_probe_auc") -> StopPoorRun:
        made = StopPoorRun(
            Pruning(storage=self.url, study="s", trial=self.number, metric=metric, pruner=pruner)
        )
        made.on_train_begin(None, None, None)
        return made

    @property
    def reported(self) -> dict[int, float]:
        return self.study.trials[self.number].intermediate_values


def evaluated(judge: StopPoorRun, step: int, value: float, *, of: int = 10) -> bool:
    """Tells an evaluation; returns whether the training is to end."""
    control = TrainerControl()
    state = SimpleNamespace(global_step=step, max_steps=of, is_world_process_zero=True)
    judge.on_evaluate(None, state, control, metrics={"eval_probe_auc": value})
    return control.should_training_stop


def test_a_run_below_the_median_is_stopped(here):
    search = Search([[0.5, 0.6, 0.7], [0.5, 0.7, 0.8], [0.5, 0.8, 0.9]])
    judge = search.judge(MEDIAN)
    assert not evaluated(judge, 1, 0.5)
    assert evaluated(judge, 2, 0.65)
    assert judge.reason == ("stopped at step 2: eval_probe_auc 0.65, the median of 3 others is 0.7")
    assert search.reported == {1: 0.5, 2: 0.65}


def test_nothing_is_stopped_in_the_first_fifth_unless_asked(here):
    search = Search([[0.5, 0.6, 0.7, 0.8], [0.5, 0.7, 0.8, 0.9]])
    judge = search.judge(MEDIAN | {"n_warmup_steps": "auto"})
    assert not any(evaluated(judge, step, 0.1, of=20) for step in (1, 2, 3))
    assert evaluated(judge, 4, 0.1, of=20)
    assert make_pruner(HALVING | {"min_resource": "auto"}, steps=100)._min_resource == 20


def test_a_run_above_the_median_goes_on(here):
    judge = Search([[0.5, 0.6], [0.5, 0.7]]).judge(MEDIAN)
    assert not evaluated(judge, 2, 0.66) and judge.reason is None


def test_where_less_is_better_the_greater_is_stopped(here):
    judge = Search([[3.0, 2.0], [3.0, 1.5]], "minimize").judge(MEDIAN)
    assert not evaluated(judge, 1, 2.9)
    assert evaluated(judge, 2, 2.9)


def test_nothing_is_stopped_before_enough_trials_are_finished(here):
    judge = Search([[0.9, 0.9]]).judge(MEDIAN)
    assert not evaluated(judge, 1, 0.1)


def test_halving_stops_what_is_not_among_the_best_at_its_rung(here):
    search = Search([])
    rivals = [search.number, search.study.ask({"x": FloatDistribution(0, 1)}).number]
    first, second = (
        StopPoorRun(Pruning(storage=search.url, study="s", trial=number,
                            metric="eval_probe_auc", pruner=HALVING))
        for number in rivals
    )  # fmt: skip
    for judge in (first, second):
        judge.on_train_begin(None, None, None)
        assert not evaluated(judge, 1, 0.1)  # before the first rung
    assert not evaluated(first, 2, 0.8)
    assert evaluated(second, 2, 0.7)
    assert second.reason.startswith("stopped at step 2: eval_probe_auc 0.7")


def test_a_step_that_is_measured_again_keeps_its_value(here):
    """After a resume; what other trials were compared with does not change behind them."""
    search = Search([[0.5, 0.6], [0.5, 0.7]])
    assert not evaluated(search.judge(MEDIAN), 1, 0.7)
    assert not evaluated(search.judge(MEDIAN), 1, 0.1)  # the process that goes on
    assert search.reported == {1: 0.7}


def test_a_run_at_its_end_is_not_stopped(here):
    judge = Search([[0.9, 0.9], [0.9, 0.9]]).judge(MEDIAN)
    assert not evaluated(judge, 2, 0.1, of=2) and judge.reason is None


def test_what_is_measured_outside_the_training_is_not_reported(here):
    search = Search([[0.9], [0.9]])
    judge = search.judge(MEDIAN)
    judge.on_train_end(None, None, None)
    assert not evaluated(judge, 1, 0.1) and search.reported == {}
    other = search.judge(MEDIAN, metric="eval_loss")
    assert not evaluated(other, 1, 0.1) and search.reported == {}


def test_a_database_that_cannot_be_reached_stops_no_run(here, caplog):
    pruning = Pruning(
        storage="sqlite:////proc/no/x.db",
        study="s",
        trial=0,
        metric="eval_probe_auc",
        pruner=MEDIAN,
    )
    judge = StopPoorRun(pruning)
    judge.on_train_begin(None, None, None)
    assert not evaluated(judge, 1, 0.1)
    assert "cannot be reached" in caplog.text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("pruning")
    write_corpus(root / "corpus.txt", documents=120)
    return root


def test_a_poor_run_of_a_search_is_stopped_from_inside(place, monkeypatch, capsys):
    """The third learning rate learns nothing: it ends at its first evaluation."""
    from electralab.config import TrackingConfig
    from electralab.tracking.store import open_store

    monkeypatch.chdir(place)
    words = ["-m", "hydra/sweeper=optuna", "hydra/sweeper/sampler=grid",
             "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2",
             "data=text", "data.path=corpus.txt", *TINY, "data.split.test=0.1",
             "trainer.learning_rate=1e-2,2e-2,1e-9", "objective=eval_mlm_loss"]  # fmt: skip
    assert cli.main(words) == 0
    said = capsys.readouterr().err
    jobs = [folder() / point["signature"] for point in record()["points"]]
    summaries = [json.loads((job / "summary.json").read_text()) for job in jobs]
    assert [summary["status"] for summary in summaries] == ["FINISHED", "FINISHED", "PRUNED"]
    poor = summaries[2]
    assert poor["reason"].startswith("stopped at step 3: eval_mlm_loss ") and poor["reason"] in said
    assert "test_mlm_loss" in summaries[0]["metrics"]
    assert not any(name.startswith("test_") for name in poor["metrics"])
    history = json.loads((jobs[2] / "history.json").read_text())
    assert max(logs["step"] for logs in history) == 3  # of 6
    assert poor["metrics"]["eval_mlm_loss"] == next(
        logs["eval_mlm_loss"] for logs in history if "eval_mlm_loss" in logs
    )

    url = f"sqlite:///{folder() / 'optuna.db'}"
    study = optuna.load_study(study_name=record()["sweep_id"], storage=url)
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED,
    ]  # fmt: skip
    assert study.trials[2].user_attrs["reason"] == poor["reason"]
    assert list(study.trials[0].intermediate_values) == [3, 6]

    client = open_store(TrackingConfig(mode="local", uri=None), output_dir="outputs").client()
    run = client.get_run(poor["run_id"])
    assert run.info.status == "FINISHED" and run.data.tags["pruned"] == poor["reason"]
    assert client.get_run(record()["run_id"]).info.status == "FINISHED"

    # It is done: the same command does nothing, and there is nothing to resume.
    before = (jobs[2] / "summary.json").read_bytes()
    assert cli.main(words) == 0
    assert (jobs[2] / "summary.json").read_bytes() == before
    assert cli.main(["resume", str(jobs[2])]) == 2

    # One that was killed after its training is still what it was.
    (jobs[2] / "summary.json").unlink()
    assert cli.main(["resume", str(jobs[2])]) == 0
    again = json.loads((jobs[2] / "summary.json").read_text())
    assert (again["status"], again["reason"]) == ("PRUNED", poor["reason"])
    assert not any(name.startswith("test_") for name in again["metrics"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["objective=[eval_probe_auc,eval_mlm_loss]"], "`objective` must be one metric"),
        (["objective=test_probe_auc", "data.split.test=0.1"], "`objective` must be measured while"),
        (["trainer.eval_strategy=no"], "`trainer.eval_strategy` must be steps or epoch"),
        (["hydra.sweeper.pruner.reduction_factor=1", "hydra/sweeper/pruner=halving"],
         "`hydra.sweeper.pruner.reduction_factor` must be at least 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_pruned_is_refused(trained, errors, here, words, said):
    given = [] if any("halving" in word for word in words) else ["hydra/sweeper/pruner=median"]
    assert sweep("hydra/sweeper=optuna", *given, "seed=1,2", *words) == 2
    [line] = errors()
    assert line.startswith(said), line
    assert trained.done == [] and list(here.iterdir()) == []


def test_jobs_know_their_trials(trained):
    words = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "seed=1,2"]
    assert sweep(*words, "hydra/sweeper/pruner=median") == 0
    assert [part.pruning.trial for part in trained.parts] == [0, 1]
    [study] = {part.pruning.study for part in trained.parts}
    assert study == record()["sweep_id"]
    assert sweep(*words, "seed=1,2", "name=without") == 0
    assert trained.parts[-1].pruning is None
