"""Composition: every point of a command, all of its mistakes, and nothing that runs code."""

# ruff: noqa: E501 (expected messages stand whole)

from __future__ import annotations

from pathlib import Path

import pytest

from electralab.command import guard
from electralab.command.compose import Composer, search_path
from electralab.command.composition import Composition
from electralab.command.words import as_typed, opened
from electralab.errors import UserError


def compose(*overrides: str, multirun: bool = False, folder: Path | None = None) -> Composition:
    path = search_path(config_dir=str(folder) if folder else None)
    return Composer(path=path).compose(list(overrides), multirun=multirun)


def problems(*overrides: str, **options) -> list[str]:
    composed = compose(*overrides, **options)
    found = composed.problems + [
        line for point in composed.points for line in point.problems.values()
    ]
    assert all("\n" not in line for line in found)
    return found


def recipe(folder: Path, text: str, name: str = "mine") -> Path:
    file = folder / "experiment" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# @package _global_\n{text}")
    return folder


def test_a_plain_command_is_one_point():
    composed = compose("seed=3", "model=electra_base")
    [point] = composed.points
    assert (composed.multirun, composed.problems) == (False, [])
    assert point.overrides == ["seed=3", "model=electra_base"]
    assert (point.container["seed"], point.container["model"]["hidden_size"]) == (3, 768)
    assert point.container["name"] == "rtd"  # resolved
    assert "hydra" not in point.container


@pytest.mark.parametrize("name", ["2026", "1.5", "1e3", "nan", "-inf", "true", "mine"])
def test_a_name_is_a_text_whatever_it_looks_like(name):
    composed = compose(f"name={name}", "seed=1,2", multirun=True)
    assert composed.problems == []
    for point in composed.points:
        assert point.container["name"] == name and f"name={name}" in point.overrides


def test_a_sweep_has_a_point_for_each_combination():
    composed = compose(
        "seed=1,2", "model=electra_tiny,electra_base", "task.mask_prob=0.1", multirun=True
    )
    found = {(p.container["seed"], p.container["model"]["hidden_size"]) for p in composed.points}
    assert found == {(1, 128), (1, 768), (2, 128), (2, 768)}
    assert {p.container["task"]["mask_prob"] for p in composed.points} == {0.1}


def test_points_do_not_share_their_values():
    first, second = compose("trainer.max_steps=1,2", multirun=True).points
    first.container["trainer"]["max_steps"] = 9
    assert second.container["trainer"]["max_steps"] == 2


def test_a_grid_of_hydra_s_own_is_read(tmp_path):
    recipe(tmp_path, "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 4,5\n")
    composed = compose("experiment=mine", folder=tmp_path)
    assert composed.multirun
    assert [point.container["seed"] for point in composed.points] == [4, 5]


def test_trainer_names_need_no_plus():
    assert opened(["trainer.bf16=true", "trainer=default", "seed=1"]) == [
        "++trainer.bf16=true", "trainer=default", "seed=1",
    ]  # fmt: skip
    assert as_typed(opened(["adapt.trainer.bf16=true"])) == ["adapt.trainer.bf16=true"]
    [point] = compose("trainer.optim=sgd", "trainer.max_steps=3").points
    assert (point.container["trainer"]["optim"], point.container["trainer"]["max_steps"]) == (
        "sgd",
        3,
    )
    assert point.overrides == ["trainer.optim=sgd", "trainer.max_steps=3"]


def test_recipes_and_groups_of_a_person_are_found(tmp_path):
    recipe(tmp_path, "seed: 7\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "own.yaml").write_text("hidden_size: 64\n")
    [point] = compose("experiment=mine", "model=own", folder=tmp_path).points
    assert (point.container["seed"], point.container["model"]["hidden_size"]) == (7, 64)
    [point] = compose("experiment=mine", f"hydra.searchpath=[file://{tmp_path}]").points
    assert point.container["seed"] == 7


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("task.mask_prb=0.2", "`task.mask_prb` is no key; did you mean `task.mask_prob`?"),
        ("modle=electra_tiny", "`modle` is no key; did you mean `model`?"),
        (
            "model=electra_tny",
            "`model=electra_tny` is no option of `model`; did you mean `electra_tiny`?",
        ),
        ("experiment=dmo", "`experiment=dmo` is no option of `experiment`; did you mean `demo`?"),
        ("seed", "`seed` must have the form key=value."),
        (
            "seed=1,2",
            "`seed` must be one value, but is 1,2 instead; add -m to run each, or write [1,2] for a "
            "list.",
        ),
        ("+seed=1", "`+seed=1` must stand without its `+`, for the key is there already."),
        ("~foo", "`~foo` deletes what is not there."),
        ("task=5", "`task=5` must name an option of the group."),
        ("name=${x}", "`name` must refer to a key that there is, but refers to `x`."),
    ],
)
def test_one_mistake_is_one_line(override, line):
    assert problems(override) == [line]


def test_syntax_errors_say_how_to_quote():
    [line] = problems("data.path=[a")
    assert line.startswith("`data.path=[a` cannot be read")
    assert "quotes" in line


def test_all_mistakes_come_at_once():
    found = problems(
        "model=electra_tny", "experiment=dmo", "task.mask_prb=1", "foo=1", "seed", "name=${x}"
    )
    assert [line.split("`")[1] for line in found] == [
        "seed", "model=electra_tny", "experiment=dmo", "task.mask_prb", "foo", "name",
    ]  # fmt: skip


def test_a_mistake_in_every_point_is_said_once():
    composed = compose("seed=1,2,3", "model=electra_tny", multirun=True)
    assert len(composed.problems) == 1 and not any(p.problems for p in composed.points)
    assert len(set(problems("seed=1,2,3", "foo=1", multirun=True))) == 1


@pytest.mark.parametrize("word", ["seed=range(5,5)", "task.disc_weight=glob(*)"])
def test_a_sweep_over_no_value_is_one_line(word):
    key, value = word.split("=")
    assert problems(word, multirun=True) == [
        f"`{key}` must leave a value to try, but is {value} instead."
    ]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_jobs_has_at_least_one(size):
    [line] = problems("seed=1,2", f"hydra.sweeper.max_batch_size={size}", multirun=True)
    assert line.startswith("`hydra.sweeper.max_batch_size` must be at least 1")


def test_a_value_that_is_missing_is_said_in_plain_words():
    assert problems("seed=0,", multirun=True) == [
        "`seed=0,` cannot be read (it ends where a value must follow); put what is special to Hydra "
        "into quotes: 'seed=\"…\"'."
    ]


def test_a_swept_key_has_one_name_however_it_is_typed():
    plain = compose("task.disc_weight=1,2", multirun=True)
    for plus in ("+", "++"):
        word = f"{plus}experiment=demo,tutorial_rtd" if plus == "+" else "++task.disc_weight=1,2"
        keys = [[*point.values] for point in compose(word, multirun=True).points]
        assert keys == [["experiment"]] * 2 if plus == "+" else [[*p.values] for p in plain.points]


SEARCH = """
defaults:
  - override /hydra/sweeper: optuna
hydra:
  sweeper:
    n_trials: 3
    params:
      task.disc_weight: interval(10,50)
"""


def test_what_a_recipe_says_of_the_sweeper_can_be_typed_otherwise(tmp_path):
    folder = recipe(tmp_path, SEARCH)
    typed = ["experiment=mine", "hydra.sweeper.n_trials=5", "hydra/sweeper/pruner=median"]
    composed = compose(*typed, multirun=True, folder=folder)
    assert composed.problems == []
    assert (composed.sweeper["n_trials"], composed.sweeper["pruner"]["name"]) == (5, "median")
    [line] = problems("experiment=mine", "hydra.sweeper.n_trial=5", multirun=True, folder=folder)
    assert line.startswith("`hydra.sweeper.n_trial` is no key")


def test_recipes_with_other_sweepers_are_not_swept_together(tmp_path):
    folder = recipe(tmp_path, SEARCH)
    recipe(tmp_path, "seed: 3\n", name="plain")
    [line] = problems("experiment=plain,mine", multirun=True, folder=folder)
    assert line.startswith("`hydra.sweeper` and `hydra.launcher` must be the same for all points")
    assert "experiment=mine" in line


def test_a_broken_recipe_is_one_line_with_its_place(tmp_path):
    recipe(tmp_path, "a: [1\nb: 2\n")
    [line] = problems("experiment=mine", folder=tmp_path)
    assert "mine.yaml" in line and "line" in line


def test_a_config_dir_that_is_missing_is_refused(tmp_path):
    with pytest.raises(UserError, match="--config-dir must be a folder"):
        search_path(config_dir=str(tmp_path / "nope"))


PAYLOAD = "pandas.read_pickle"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"hydra:\n  callbacks:\n    x:\n      _target_: {PAYLOAD}\n", "hydra.callbacks"),
        (f"hydra:\n  launcher:\n    _target_: {PAYLOAD}\n", "hydra.launcher._target_"),
        (f"hydra:\n  sweeper:\n    _target_: {PAYLOAD}\n", "hydra.sweeper._target_"),
        (
            f"hydra:\n  sweeper:\n    params:\n      x:\n        _target_: {PAYLOAD}\n",
            "hydra.sweeper.params.x._target_",
        ),
        (f"hydra:\n  job_logging:\n    x:\n      (): {PAYLOAD}\n", "hydra.job_logging"),
        (f"hydra:\n  hydra_logging:\n    root: ext://{PAYLOAD}\n", "hydra.hydra_logging"),
        ("hydra:\n  job_logging: ${x}\nx: {}\n", "hydra.job_logging"),
        ("hydra:\n  job:\n    env_set:\n      PATH: .\n", "hydra.job.env_set"),
        ("hydra:\n  job:\n    env_copy: [HOME]\n", "hydra.job.env_copy"),
        ("hydra:\n  job:\n    chdir: true\n", "hydra.job.chdir"),
        ("hydra:\n  overrides:\n    hydra: ['hydra.job_logging=x']\n", "hydra.overrides"),
        (f"task:\n  x:\n    _target_: {PAYLOAD}\n", "task.x._target_"),
        (f"trainer:\n  x: [{{_target_: {PAYLOAD}}}]\n", "trainer.x.0._target_"),
    ],
)
def test_a_recipe_cannot_run_code(tmp_path, text, key):
    found = problems("experiment=mine", folder=recipe(tmp_path, text))
    assert any(f"`{key}`" in line for line in found), found


def test_shell_commands_of_a_launcher_must_be_typed():
    target = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
    hydra = {"launcher": {"_target_": target, "setup": ["module load cuda"]}}
    found = guard.problems(hydra, {}, typed=[])
    assert any("`hydra.launcher.setup` must be typed" in line for line in found)
    typed = guard.problems(hydra, {}, typed=["hydra.launcher.setup=[module load cuda]"])
    assert not any("launcher" in line for line in typed)


def test_values_cannot_run_code_either():
    assert any("_target_" in line for line in problems(f"+task.x._target_={PAYLOAD}"))
    assert any("callbacks" in line for line in problems(f"+hydra.callbacks.x._target_={PAYLOAD}"))


@pytest.mark.parametrize(
    "override",
    ["hydra.verbose=true", "hydra/job_logging=disabled", "hydra/job_logging=default"],
)
def test_harmless_keys_of_hydra_are_let_through(override):
    assert problems(override) == []


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"])
@pytest.mark.parametrize("multirun", [False, True])
def test_a_key_of_hydra_that_would_move_nothing_says_what_does(key, multirun):
    [line] = problems(f"{key}=elsewhere", multirun=multirun)
    assert f"`{key}` must not be set" in line and "<output_dir>/<name>/" in line
    assert "output_dir=… moves it" in line


def test_levels_of_logging_are_anyone_s_to_choose():
    assert problems("hydra/job_logging=default", "hydra.job_logging.root.level=DEBUG") == []


def test_a_key_that_a_node_of_hydra_does_not_have_is_one_line(tmp_path):
    [line] = problems(
        "experiment=mine", folder=recipe(tmp_path, "hydra:\n  launcher:\n    nodes: 3\n")
    )
    assert "experiment/mine" in line and "nodes" in line


def test_a_stage_of_a_chain_chooses_its_options_as_a_run_does():
    typed = ["adapt.data=text", "finetune.model=auto", "adapt.task=rtd,mlm", "adapt.data.path=a=b"]
    assert opened(typed) == [
        *("data@adapt.data=text", "model@finetune.model=auto", "task@adapt.task=rtd,mlm"),
        "adapt.data.path=a=b",
    ]
    assert as_typed(opened(typed)) == typed
    words = ["experiment=adapt_then_classify", "adapt.data=text", "finetune.data=csv"]
    [point] = compose(*words, "adapt.data.path=a.txt", "adapt.trainer.optim=sgd").points
    assert point.overrides[:3] == words
    adapt, finetune = point.container["adapt"], point.container["finetune"]
    assert (adapt["data"]["source"], finetune["data"]["source"]) == ("text", "csv")
    assert (adapt["data"]["path"], adapt["trainer"]["optim"]) == ("a.txt", "sgd")
    assert not {"task", "data", "model", "trainer"} & set(point.container)


def test_the_stages_of_a_chain_are_swept_like_any_key():
    words = ["experiment=adapt_then_classify", "adapt.task=rtd,mlm", "finetune.seeds=[0],[1,2]"]
    points = compose(*words, multirun=True).points
    found = [
        (p.container["adapt"]["task"]["name"], p.container["finetune"]["seeds"]) for p in points
    ]
    assert found == [("rtd", [0]), ("rtd", [1, 2]), ("mlm", [0]), ("mlm", [1, 2])]


def test_a_recipe_can_stand_on_a_chain_and_has_no_keys_without_a_stage(tmp_path):
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text(
        "defaults:\n- adapt_then_classify\n- _self_\n- override /task@adapt.task: mlm\n"
        "trainer:\n  max_steps: 3\n"
    )
    [point] = compose("experiment=mine", folder=tmp_path).points
    assert point.container["adapt"]["task"]["name"] == "mlm"
    [line] = point.problems.values()
    assert line.startswith("`trainer` must name its stage in a chain")
