"""The command line: verbs, Hydra, exit statuses, and no trace of what was refused."""

# ruff: noqa: E501 (expected messages stand whole)

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import electralab.run
from electralab import cli
from electralab.cli import parse_flags
from electralab.command.points import checked
from electralab.errors import Interrupted, RunFailure, UserError
from electralab.running import counts
from electralab.running.counts import length


class Recorder:
    """Stands for the main path: remembers what it is given and fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, list[str]]] = []
        self.fail: dict[int, BaseException] = {}

    def __call__(self, config: Any, overrides: list[str]) -> dict[str, Any]:
        self.calls.append((config, overrides))
        if config.seed in self.fail:
            raise self.fail[config.seed]
        return {}

    @property
    def seeds(self) -> list[int]:
        return [config.seed for config, _ in self.calls]


@pytest.fixture
def ran(monkeypatch, tmp_path) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(electralab.run, "execute", recorder)
    monkeypatch.chdir(tmp_path)
    return recorder


@pytest.fixture
def errors(capsys):
    return lambda: capsys.readouterr().err.splitlines()


# One run.


def test_a_plain_run_gets_its_configuration_and_what_was_typed(ran):
    assert cli.main(["seed=3", "trainer.optim=sgd", "trainer.max_steps=2"]) == 0
    [(config, overrides)] = ran.calls
    assert (config.seed, config.trainer["optim"]) == (3, "sgd")
    assert overrides == ["seed=3", "trainer.optim=sgd", "trainer.max_steps=2"]


def test_hydra_leaves_nothing_behind(ran, tmp_path):
    assert cli.main(["seed=3"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_all_said_and_nothing_runs(ran, errors, tmp_path):
    words = ["task.mask_prob=1.2", "seed=-1", "model=electra_tny", "data=csv", "data.path=no.csv",
             "trainer.lr=1", "task.mask_prb=1"]  # fmt: skip
    assert cli.main(words) == 2
    assert {line.split("`")[1] for line in errors()} == {
        "task.mask_prob", "seed", "model=electra_tny", "data.path", "trainer.lr", "task.mask_prb",
    }  # fmt: skip
    assert ran.calls == [] and list(tmp_path.iterdir()) == []


def test_a_value_that_is_wrong_is_not_said_twice(ran, errors):
    # Its type is wrong, and what stands for it meanwhile is no file.
    assert cli.main(["data=csv", "data.path=3"]) == 2
    assert errors() == ["`data.path` must be a text or a list of texts or null, but is 3 instead."]


def test_a_recipe_that_runs_code_is_refused_before_hydra_acts(ran, errors, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "evil.yaml").write_text(
        "# @package _global_\n"
        "hydra:\n  callbacks:\n    x:\n      _target_: pathlib.Path.touch\n      self: pwned\n"
    )
    for words in (["experiment=evil"], ["check", "experiment=evil"], ["--help", "experiment=evil"]):
        assert cli.main([*words, "--config-dir", str(tmp_path)]) == 2
        assert any("`hydra.callbacks`" in line for line in errors())
    assert not (tmp_path / "pwned").exists() and ran.calls == []


@pytest.mark.parametrize(
    ("failure", "status", "line"),
    [
        (UserError(["`data.path` is bad.", "`seed` too."]), 2, "`data.path` is bad."),
        (RunFailure("the server is dead"), 1, "the server is dead"),
    ],
)
def test_failures_of_a_run_are_lines_and_a_status(ran, errors, failure, status, line):
    ran.fail[0] = failure
    assert cli.main([]) == status
    assert errors() == failure.problems
    assert errors() == [] and line in failure.problems


def test_a_defect_is_one_line_with_its_place(ran, errors):
    ran.fail[0] = ZeroDivisionError("division by zero\nand more")
    assert cli.main([]) == 1
    [line] = errors()
    assert line.startswith("ZeroDivisionError: division by zero (")
    assert "HYDRA_FULL_ERROR=1" in line


def test_a_defect_names_the_log_of_its_run(ran, errors):
    ran.fail[0] = ZeroDivisionError("division by zero")
    ran.fail[0].run_folder = Path("outputs/x")
    assert cli.main([]) == 1
    [line] = errors()
    assert line == "ZeroDivisionError: division by zero (the trace is in outputs/x/run.log)"


def test_the_whole_trace_on_request(ran, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    ran.fail[0] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main([])


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Interrupted(130), 130), (Interrupted(143), 143), (KeyboardInterrupt(), 130)],
)
def test_signals_have_their_status(ran, failure, status):
    ran.fail[1] = failure
    assert cli.main(["seed=1"]) == status


def test_a_stopped_run_says_how_to_go_on(ran, errors):
    ran.fail[0] = Interrupted(143)
    ran.fail[0].run_folder = "outputs/x"
    assert cli.main([]) == 143
    assert errors() == ["stopped; go on with: electralab resume outputs/x"]


def test_a_person_s_recipe_is_found(ran, tmp_path):
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 9\n")
    assert cli.main(["experiment=mine", "--config-dir", "own"]) == 0
    assert cli.main(["experiment=mine", f"hydra.searchpath=[file://{tmp_path}/own]"]) == 0
    assert ran.seeds == [9, 9]


# Words that are no overrides.


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["chek"], "`chek` is no command; did you mean `check`?"),
        (["exprot", "x"], "`exprot` is no command; did you mean `export`?"),
        (["--foo"], "unrecognized arguments: --foo; `electralab --help` shows what there is."),
        (["seed=1", "check"], "`check` must have the form key=value."),
        (["--config-dir", "nowhere"], "--config-dir must be a folder, but nowhere is none."),
        (
            ["--config-name", "nowhere"],
            "--config-name 'nowhere' must name a file of the search path, but there is none.",
        ),
        (["-m", "--cfg", "job"], "--help, --cfg, --info, --shell-completion and -m must stand alone."),
        (["check", "--cfg", "job"], "`check` must stand alone; use --cfg and the like without it."),
    ],
)  # fmt: skip
def test_words_that_mean_nothing_are_one_line(ran, errors, words, line):
    assert cli.main(words) == 2
    assert errors() == [line]
    assert ran.calls == []


def test_a_pickle_is_not_loaded(ran, errors, tmp_path):
    (tmp_path / "x.pickle").write_bytes(b"no")
    assert cli.main(["--experimental-rerun", "x.pickle"]) == 2
    assert "can run code" in errors()[0]


def test_every_verb_of_the_house_can_be_imported():
    import importlib

    for place in cli.VERBS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_a_verb_gets_the_rest(monkeypatch):
    import electralab.verbs.check

    got = []
    monkeypatch.setattr(electralab.verbs.check, "main", lambda words: got.append(words) or 0)
    assert cli.main(["check", "-m", "seed=1"]) == 0
    assert got == [["-m", "seed=1"]]


# Check.


def test_check_says_ok_and_the_signature(ran, capsys, tmp_path):
    assert cli.main(["check", "seed=3"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("ok  ") and line.endswith("rtd seed=3")
    assert ran.calls == [] and list(tmp_path.iterdir()) == []


def test_check_shows_every_point(ran, capsys):
    assert cli.main(["check", "-m", "seed=1,2,2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ["seed=1", "seed=2"]
    assert lines[2].endswith("seed=2   the same as seed=2") and lines[1].split()[1] in lines[2]
    assert lines[3].startswith("2 points (1 more are the same as others); run them with:")
    assert len(lines) == 4


def test_check_counts_the_steps_and_tokens_of_a_point(ran, capsys):
    """Tokens need data that was prepared; steps only where they follow from epochs."""
    Path("corpus.txt").write_text("a text of some words\n" * 50)
    words = ["data=text", "data.path=corpus.txt", "trainer.per_device_train_batch_size=4"]
    [config] = [point.config for point in checked(parse_flags(words)).points]
    assert length(config) == (None, None)
    assert length(_with(config, max_steps=7)) == (7, None)
    counts.keep(config, {"rows": {"train": 30}, "tokens": {"train": 900}})
    assert length(config) == (8, 8 * 4 * 30)  # of 30 rows, one epoch in batches of 4
    assert length(_with(config, num_train_epochs=2, gradient_accumulation_steps=2)) == (8, 1920)
    assert length(_with(config, max_steps=7)) == (7, 7 * 4 * 30)
    assert cli.main(["check", *words]) == 0
    assert capsys.readouterr().out.split()[2:6] == ["8", "steps", "960", "tokens"]


def _with(config, **trainer):
    return config.model_copy(update={"trainer": config.trainer | trainer})


def test_check_shows_all_problems(ran, errors):
    assert cli.main(["check", "-m", "seed=1,-1", "task.mask_prob=0,2", "foo=1"]) == 2
    assert len(errors()) == 4


# What Hydra shows.


def test_help_lists_verbs_and_groups(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for text in ("electralab check", "electralab resume RUN", "electra_tiny", "mask_prob: 0.15"):
        assert text in shown


def test_cfg_shows_what_is_composed(capsys):
    assert cli.main(["--cfg", "job", "seed=5", "trainer.optim=sgd"]) == 0
    shown = capsys.readouterr().out
    assert "seed: 5" in shown and "optim: sgd" in shown and "hydra" not in shown


def test_cfg_shows_keys_that_must_be_set(capsys):
    assert cli.main(["--cfg", "job", "seed=???", "--resolve"]) == 0
    assert "seed: ???" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--cfg", "job"], ["--info", "searchpath"], ["--help"]])
def test_what_does_not_compose_is_not_shown(errors, words):
    assert cli.main([*words, "task.mask_prb=1"]) == 2
    assert errors() == ["`task.mask_prb` is no key; did you mean `task.mask_prob`?"]


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("electralab ")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("electralab che", ["check"]),
        ("electralab task.mask", ["task.mask_prob="]),
        ("electralab check task.mask", ["task.mask_prob="]),
        ("electralab experiment=de", ["experiment=demo"]),
        ("electralab check -m tracking=o", ["tracking=off"]),
        ("electralab experiment=tutorial_mlm task.wh", ["task.whole_word="]),
        ("electralab experiment=adapt_then_classify adapt.task.mask", ["adapt.task.mask_prob="]),
    ],
)
def test_completion(monkeypatch, capsys, line, found):
    monkeypatch.setenv("COMP_LINE", line)
    assert cli.main(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == found


# As a process.


def test_check_and_help_import_nothing_heavy(tmp_path):
    code = (
        "import sys\n"
        "from electralab.cli import main\n"
        "assert main(['check']) == 0 and main(['--help']) == 0\n"
        "heavy = {'torch', 'transformers', 'datasets', 'mlflow', 'pandas', 'pyarrow', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)


def test_as_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "electralab", "task.mask_prob=2"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "`task.mask_prob` must be above 0 and below 1, but is 2 instead.\n"
    assert list(tmp_path.iterdir()) == []
