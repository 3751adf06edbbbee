"""A search: its trials are jobs, counted in all commands, chosen as an undisturbed one would."""

from __future__ import annotations

import json

import optuna
import pytest

from electralab import cli
from electralab.errors import Interrupted, UserError
from tests.sweeping.conftest import Trainings, folder, record, sweep

SEARCH = ("hydra/sweeper=optuna", "task.mask_prob=interval(0.1,0.4)")
RANDOM = (*SEARCH, "hydra/sweeper/sampler=random")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """The table at the end of a sweep is another module's."""
    monkeypatch.setattr("electralab.comparing.report.write", lambda *_: [])


def trials() -> list[optuna.trial.FrozenTrial]:
    """Those of the only search."""
    [name] = optuna.get_all_study_names(f"sqlite:///{folder() / 'optuna.db'}")
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder() / 'optuna.db'}").trials


def states() -> list[str]:
    return [trial.state.name for trial in trials()]


def points(trainings: Trainings) -> list[float]:
    return [prob for _, prob in trainings.done]


def test_each_trial_is_a_job_with_the_value_of_its_objective(trained):
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=3") == 0
    assert states() == ["COMPLETE"] * 3
    assert [trial.value for trial in trials()] == pytest.approx(points(trained))
    assert all(0.1 <= prob <= 0.4 for prob in points(trained)) and len(set(points(trained))) == 3
    assert record()["objective"] == [{"metric": "eval_probe_auc", "direction": "max"}]
    assert record()["swept"] == ["task.mask_prob"] and record()["status"] == "FINISHED"
    assert [point["values"]["task.mask_prob"] for point in record()["points"]] == points(trained)
    for point, trial in zip(record()["points"], trials(), strict=True):
        assert (folder() / point["signature"] / "summary.json").is_file()
        assert trial.user_attrs["signature"] == point["signature"]


def test_the_number_of_trials_is_the_number_in_all(trained, errors):
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=2") == 0
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=5") == 0
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=5") == 0
    assert sweep(*SEARCH, "hydra.sweeper.n_trials=4") == 0
    assert len(trained.done) == len(trials()) == len(record()["points"]) == 5
    assert len(set(points(trained))) == 5
    assert any(line.strip() == "5 done before" for line in errors())


class Killed(BaseException):
    """Ends the process in the middle of a job, as far as a test can."""


@pytest.mark.parametrize(("sampler", "at_once"), [("tpe", 1), ("cmaes", 2), ("random", 2)])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    trained, monkeypatch, tmp_path, here, sampler, at_once
):
    """The same points as an undisturbed search, none of them twice, and the number in all."""
    words = [*SEARCH, f"hydra/sweeper/sampler={sampler}", f"hydra.sweeper.n_jobs={at_once}",
             "trainer.learning_rate=tag(log,interval(1e-4,1e-2))", "seed=1,2",
             "hydra.sweeper.n_trials=13"]  # fmt: skip
    if sampler == "tpe":
        words.append("hydra.sweeper.sampler.n_startup_trials=4")
    assert sweep(*words) == 0
    undisturbed = [trial.params for trial in trials()]
    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    trained.done.clear()
    train = Trainings.__call__
    left = [5, 3]  # jobs until the process ends

    def die(self, config, overrides, *, link):
        if left and left[0] == 0:
            left.pop(0)
            raise Killed
        if left:
            left[0] -= 1
        train(self, config, overrides, link=link)

    monkeypatch.setattr(Trainings, "__call__", die)
    for _ in range(2):
        with pytest.raises(Killed):
            sweep(*words)
    assert "RUNNING" in states()
    assert sweep(*words) == 0
    assert states() == ["COMPLETE"] * 13
    assert [trial.params for trial in trials()] == undisturbed
    assert len(set(trained.done)) == len(trained.done)
    assert len(record()["points"]) == len(set(trained.done))


def test_a_trial_that_had_not_chosen_all_its_values_chooses_them(trained, monkeypatch, tmp_path):
    words = [*RANDOM, "seed=range(1,1000)", "hydra.sweeper.n_trials=3"]
    assert sweep(*words) == 0
    undisturbed = [trial.params for trial in trials()]
    (tmp_path / "again").mkdir()
    monkeypatch.chdir(tmp_path / "again")
    suggest = optuna.trial.Trial.suggest_int
    calls = []

    def die(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:  # two a trial: it chooses, and is asked what
            raise Killed
        return suggest(*args, **kwargs)

    monkeypatch.setattr(optuna.trial.Trial, "suggest_int", die)
    with pytest.raises(Killed):
        sweep(*words)
    assert len(trials()[-1].params) == 1
    assert sweep(*words) == 0
    assert [trial.params for trial in trials()] == undisturbed


def test_another_seed_chooses_other_points_and_none_is_chosen_at_random(trained, here):
    chosen = []
    for number, seed in enumerate(["0", "1", "null", "null"]):
        assert sweep(*RANDOM, f"hydra.sweeper.sampler.seed={seed}", f"name=n{number}",
                     "hydra.sweeper.n_trials=1") == 0  # fmt: skip
        chosen.append(points(trained)[-1])
    assert len(set(chosen)) == 4


def test_a_failed_job_is_a_failed_trial_and_is_tried_again(trained, errors):
    words = [*RANDOM, "seed=7", "hydra.sweeper.n_trials=3"]
    trained.fail[7] = UserError("`data.path` is bad.")
    assert sweep(*words) == 1
    assert states() == ["FAIL"] * 3
    assert {trial.user_attrs["reason"] for trial in trials()} == {"`data.path` is bad."}
    assert sum("`data.path` is bad." in line for line in errors()) >= 6  # at once, and at the end
    trained.fail.clear()
    assert sweep(*words, "sweep.on_failed=skip") == 1  # they count
    assert len(trained.done) == 3
    assert sweep(*words) == 0
    assert states() == ["FAIL"] * 3 + ["COMPLETE"] * 3
    assert points(trained)[3:] == points(trained)[:3]
    assert sweep(*words) == 0
    assert len(trained.done) == 6


def test_a_job_that_was_stopped_goes_on_from_its_checkpoint(trained):
    trained.stop[3] = Interrupted(143)
    words = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "seed=2,3,4"]
    assert sweep(*words) == 143
    assert states() == ["COMPLETE", "RUNNING"] and record()["status"] == "KILLED"
    trained.stop.clear()
    assert sweep(*words) == 0
    assert states() == ["COMPLETE"] * 3
    assert trained.seeds == [2, 3, 3, 4] and trained.resumed == [3]


def test_what_is_not_finite_is_a_failed_trial(trained, errors):
    """A summary holds finite numbers alone."""
    words = [*RANDOM, "objective=eval_mlm_loss", "hydra.sweeper.n_trials=2"]
    assert sweep(*words) == 0
    assert states() == ["FAIL"] * 2
    assert trials()[0].user_attrs["reason"] == "eval_mlm_loss is not a finite number"
    assert sweep(*words) == 0
    assert len(trained.done) == 2 and len(trials()) == 2


def test_a_point_that_cannot_be_run_is_a_failed_trial(trained, errors):
    """Both ends of each interval are legal, and so are their combinations, but not all between."""
    words = ["hydra/sweeper=optuna", "model.hidden_size=int(interval(128,256))",
             "hydra.sweeper.n_trials=4"]  # fmt: skip
    assert sweep(*words) == 0
    bad = [trial for trial in trials() if trial.state.name == "FAIL"]
    good = [trial for trial in trials() if trial.state.name == "COMPLETE"]
    assert bad and len(bad) + len(good) == 4 and len(trained.done) == len(good)
    assert "model.hidden_size" in bad[0].user_attrs["reason"]
    assert any(line.startswith("trial ") and "cannot be run" in line for line in errors())


def test_a_grid_is_covered_once_in_its_order(trained):
    words = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "seed=range(1,4)",
             "task.mask_prob=0.1,0.2"]  # fmt: skip
    assert sweep(*words, "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=3") == 0
    assert sweep(*words) == 0
    assert trained.done == [(seed, prob) for seed in (1, 2, 3) for prob in (0.1, 0.2)]
    assert states() == ["COMPLETE"] * 6
    assert sweep("seed=range(1,4)", "task.mask_prob=0.1,0.2") == 0  # the same jobs
    assert len(trained.done) == 6


def test_a_point_that_is_suggested_again_is_not_run_again(trained):
    words = ["hydra/sweeper=optuna", "seed=1,2", "hydra.sweeper.n_trials=9"]
    assert sweep(*words, "hydra.sweeper.n_jobs=3") == 0
    assert sorted(trained.seeds) == [1, 2] and len(record()["points"]) == 2
    assert [trial.value for trial in trials()] == [
        int(trial.params["seed"]) + 0.15 for trial in trials()
    ]


def test_several_objectives(trained):
    trained.more = {"eval_mlm_loss": 2.0}
    words = [*RANDOM, "objective=[eval_probe_auc,eval_mlm_loss]", "hydra.sweeper.n_trials=2"]
    assert sweep(*words, "hydra.sweeper.direction=[maximize,minimize]") == 0
    assert [trial.values[1] for trial in trials()] == [2.0, 2.0]
    assert [one["direction"] for one in record()["objective"]] == ["max", "min"]


def test_a_failure_ends_the_search_if_asked(trained):
    trained.fail[2] = RuntimeError("out of luck")
    words = ["hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "seed=1,2,3,4"]
    assert sweep(*words, "sweep.fail_fast=true") == 1
    assert trained.seeds == [1, 2]


def test_the_study_can_lie_elsewhere_and_be_another_s(trained, here):
    words = [*RANDOM, "hydra.sweeper.storage=sqlite:///own.db", "hydra.sweeper.study_name=mine"]
    assert sweep(*words, "hydra.sweeper.n_trials=2") == 0
    assert optuna.get_all_study_names("sqlite:///own.db") == ["mine"]
    assert not (folder() / "optuna.db").exists()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([], ["objective=eval_disc_auc"], "`objective` must be eval_probe_auc:max"),
        (["seed=1,2"], ["seed=1,2,3"], "`seed` must be one of 1, 2"),
        (["seed=1,2"], ["seed=int(interval(1,2))"], "`seed` must be one of 1, 2"),
    ],
)
def test_a_study_of_something_else_is_refused(trained, errors, first, second, said):
    assert sweep(*RANDOM, *first, "hydra.sweeper.n_trials=1") == 0
    before = record()
    assert sweep(*RANDOM, *second, "hydra.sweeper.n_trials=2") == 2
    [line] = errors()[-1:]
    assert line.startswith(said) and "hydra.sweeper.study_name" in line
    assert record() == before and len(trained.done) == 1


def test_a_damaged_record_is_made_again_from_the_study(trained):
    assert sweep(*RANDOM, "hydra.sweeper.n_trials=3") == 0
    (folder() / "sweep.json").write_text("{")
    assert sweep(*RANDOM, "hydra.sweeper.n_trials=4") == 0
    assert len(record()["points"]) == 4 == len(trained.done)


def test_keys_of_a_search_can_stand_in_a_recipe(trained, here):
    (here / "own" / "experiment").mkdir(parents=True)
    (here / "own" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    n_trials: 2\n    params:\n"
        "      task.mask_prob: interval(0.1,0.2)\n      seed: 5\n"
    )
    assert cli.main(["experiment=mine", "tracking=off", "--config-dir", "own"]) == 0
    assert trained.seeds == [5, 5] and record()["swept"] == ["task.mask_prob"]


# What is refused before the first trial.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.mask_prob=interval(0.1,1.5)"], "`task.mask_prob` must be above 0 and below 1"),
        (["task.mask_prob=choice(0.1,1.5)"], "`task.mask_prob` must be above 0 and below 1"),
        (["seed=interval(3,1)"], "`seed` must begin with its least value, but is interval(3,1)"),
        (["seed=tag(log,interval(0,1))"], "`seed` must be above 0 to be tagged with log"),
        (["seed=range(3,3)"], "`seed`"),
        (["seed=1"], "`hydra/sweeper=optuna` needs a swept key"),
        (["seed=1,2", "hydra.sweeper.n_trials=0"], "`hydra.sweeper.n_trials` must be at least 1"),
        (["seed=1,2", "hydra.sweeper.n_trial=3"], "`hydra.sweeper.n_trial`"),
        (["seed=1,2", "hydra.sweeper.direction=minimize"], "`hydra.sweeper.direction` must"),
        (["seed=1,2", "hydra.sweeper.storage=redis://x"], "`hydra.sweeper.storage` must be"),
        (["seed=1,2", "hydra.sweeper.storage=sqlite:////proc/no/x.db"],
         "`hydra.sweeper.storage` must be a database that can be used"),
        (["seed=interval(1,2)", "hydra/sweeper/sampler=grid"],
         "`seed` must be a choice or a range for a grid"),
        (["seed=1,2", "hydra/sweeper/sampler=cmaes"], "`hydra/sweeper/sampler=cmaes` needs"),
        (["seed=range(1,9)", "hydra/sweeper/sampler=cmaes",
          "objective=[eval_probe_auc,eval_mlm_loss]"], "`objective` must be one metric"),
        (["seed=1,2", "data.split.validation=null"], "`data.split.validation` must be a share"),
        (["task.disc_weight=interval(1,2)", "objective=eval_loss"], "`objective` must be compar"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_anything_is_made(trained, errors, here, words, said):
    assert sweep("hydra/sweeper=optuna", *words) == 2
    [line] = errors()
    assert line.startswith(said), line
    assert trained.done == [] and list(here.iterdir()) == []


def test_an_interval_needs_a_search(trained, errors, here):
    assert sweep("seed=interval(1,3)") == 2
    assert errors() == [
        "`seed` must be a choice or a range, but is interval(1,3) instead; hydra/sweeper=optuna "
        "searches an interval."
    ]
    assert sweep("seed=1,2", "hydra/sweeper/pruner=median") == 2
    assert "needs hydra/sweeper=optuna" in errors()[0]


def test_the_check_shows_the_corners(trained, capsys):
    words = ["hydra/sweeper=optuna", "task.mask_prob=interval(0.1,0.4)", "seed=1,2"]
    assert cli.main(["check", "-m", *words]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "task.mask_prob=0.4 seed=2" in lines[3]
    assert last.startswith("4 corners of the space; search it with: electralab -m")


def test_the_record_holds_no_pickle(trained):
    """Whoever can write into the database must not be able to run code by it."""
    words = [*SEARCH, "hydra/sweeper/sampler=cmaes", "trainer.learning_rate=interval(1e-4,1e-3)"]
    assert sweep(*words, "hydra.sweeper.n_trials=14") == 0
    content = json.dumps([trial.system_attrs for trial in trials()])
    assert "cma" not in content and "80049" not in content
    assert {trial.user_attrs["generation"] for trial in trials()} == {0, 1, 2}
