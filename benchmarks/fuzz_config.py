"""Words that nobody should type, and recipes that nobody should write, through the command line."""

from __future__ import annotations

import contextlib
import copy
import io
import random
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

VALUES = ["null", "", "0", "-1", "1", "2.5", "1e309", "-0.0", "nan", "inf", "true", "yes", "[]"]
VALUES += ["{}", "[1,2", "{a:1}", "{a:{b:[c]}}", "[[[[[[1]]]]]]", "[null]", "${seed}", "${x"]
VALUES += ["${nope}", "$", "${oc.env:HOME}", "${oc.decode:'['}", "${data.path}", "${a:b,c}", "???"]
VALUES += ["'", '"', "\\", "'x", "é", "\u202eabc", "👩\u200d👧", "\0", "\n", "\t", " ", "\udce9"]
VALUES += ["a=b", "a,b", "1,2", "0.1,0.2", "range(1,3)", "range(1,1e9)", "range(3,1)"]
VALUES += ["choice(1,2)", "choice()", "interval(0,1)", "tag(log,interval(0,1))", "shuffle(a,b)"]
VALUES += ["glob(*)", "sort(3,1)", "1_000", "0x10", "9" * 400, "a" * 5000, "..", "../..", "~"]
VALUES += ["/dev/null", "/", "corpus.txt", "*.txt", "**", "os.getcwd", "int(x)", "str(1)"]
VALUES += ["extend_list(1)", "[" * 300, "corpus.txt/x", "!!python/object:os.getcwd", "rtd", "mlm"]
VALUES += ["classification", "translation", "text", "csv", "hub", "auto", "train", "eval_loss"]
KEYS = ["+x", "++x.y", "~x", "", "=", ".", "a.", ".a", "a..b", "@", "task@x", "hydra"]
KEYS += ["hydra.run.dir", "hydra.sweep.dir", "hydra.job.name", "hydra.sweeper.n_trials"]
KEYS += ["hydra.launcher.n_jobs", "hydra.callbacks", "+hydra.callbacks.x._target_", "hydra.mode"]
KEYS += ["hydra.searchpath", "hydra.job_logging", "task._target_", "+data.x", "trainer.nope"]
KEYS += ["data.columns.en", "sweep", "adapt", "finetune.seeds", "hydra/launcher", "hydra/sweeper"]
KEYS += ["hydra/sweeper/sampler", "hydra/sweeper/pruner", "keys", "_self_", "adapt.task.mask_prob"]
KEYS += ["finetune.data.path", "finetune.trainer.max_steps", "data.split", "data.clean"]
FLAGS = ["-m", "--", "--cfg", "--cfg=job", "--info", "--info=x", "-c", "--resolve", "-p"]
FLAGS += ["--config-name", "--config-dir", "--config-path=/", "-cn", "--nope", "-", "---"]
FLAGS += ["--help=1", "-mm", "--version", "--experimental-rerun", "x", "check", "tarin", "é", ""]
FLAGS += ["\0", "--package=a", "-sc", "--run"]
GOOD = ["data=text", "data.path=corpus.txt", "model=electra_tiny", "trainer.max_steps=2"]
VERBS = ["predict", "export", "resume", "rerun", "compare"]
YAML = ["_target_: os.getcwd", "defaults: [x]", "defaults: [override /task: mlm]", "- a", "? b"]
YAML += ["a: &a [*a]", "# @package _global_", "# @package a.b", "# @package", "a: *b", "<<: 1"]
YAML += ["%YAML 9", "---", "...", "\t", "!!python/object/apply:os.getcwd []", "!x y"]
YAML += ["seed: !!binary x", "task: {mask_prob: .2}", "\ufeff", "2020-01-01: 2020-01-01"]
YAML += ["null: null", "1: 2", "a: |", "seed: ${seed}", "seed: 1\nseed: 2", "\0", "é: é"]
YAML += ["hydra: {sweeper: {params: {seed: 'range(1,3)'}}}", "hydra: {run: {dir: /tmp/x}}"]
YAML += ["seed: 0x1F", "a: 1:30"]


def once(rng: random.Random, folder: Path) -> tuple[str, list[str]]:
    """Checks, shows or looks for something by a command that is likely to be wrong.

    Returns:
        The exit status in words, and the lines that were said of mistakes.

    Raises:
        AssertionError: The status is none that a mistake has, nothing was said of one, or
            something is left behind.
    """
    from electralab.cli import main

    (folder / "corpus.txt").write_text("some good lines of text\n" * 40)
    (folder / "own" / "experiment").mkdir(parents=True)
    (folder / "own" / "model").mkdir()
    if rng.random() < 0.95:
        return _typed(rng)
    words = _command(rng, folder)
    before = sorted(folder.rglob("*"))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    lines = err.getvalue().splitlines()
    assert status in (0, 2), (status, words, lines)
    assert status == 0 or lines, words
    assert not any("Traceback" in line for line in lines), (words, lines)
    left = sorted(set(folder.rglob("*")) - set(before))
    assert not [path for path in left if path.name not in ("outputs", "mlflow.lock")], (words, left)
    return ("fine", "", "refused")[status], lines if status else []


def ready() -> None:
    """Imports what is slow to import."""
    _known_keys()
    _containers()


def _typed(rng: random.Random) -> tuple[str, list[str]]:
    """Checks what is composed already, with other values: a hundred times as fast."""
    from electralab.checking import checks
    from electralab.config import inspect
    from electralab.errors import UserError

    container = copy.deepcopy(rng.choice(_containers()))
    for _ in range(rng.choice([1, 1, 2, 5])):
        *outer, last = rng.choice(_dotted(container, "")).split(".")
        node = container
        for name in outer:
            node = node[name] if isinstance(node, dict) and name in node else {}
        if isinstance(node, dict):
            node[last if rng.random() < 0.95 else f"{last}x"] = copy.deepcopy(rng.choice(_plain()))
    config, wrong = inspect(container)
    lines = [*wrong.values(), *checks.problems(config, refused=[".".join(key) for key in wrong])]
    return ("values refused" if lines else "values fine"), UserError(lines).problems


def _command(rng: random.Random, folder: Path) -> list[str]:
    if rng.random() < 0.15:
        some = [rng.choice([*FLAGS, *VALUES, "corpus.txt"]) for _ in range(rng.randint(0, 4))]
        return [rng.choice(VERBS), *some]
    good = GOOD if rng.random() < 0.95 else []  # the default's source takes a second to look at
    words = [*good, *(_word(rng) for _ in range(rng.choice([1, 2, 3, 6])))]
    if rng.random() < 0.3:
        words += _recipe(rng, folder)
    if rng.random() < 0.2:
        words.insert(rng.randint(0, len(words)), rng.choice(FLAGS))
    if rng.random() < 0.2:
        words.insert(0, "-m")
    return ["check", *words] if rng.random() < 0.9 else [*words, "--cfg=job"]


def _word(rng: random.Random) -> str:
    key = rng.choice(_known_keys()) if rng.random() < 0.7 else rng.choice(KEYS)
    if rng.random() < 0.15 and key:  # a slip of the finger
        at = rng.randrange(len(key))
        key = key[:at] + rng.choice(["", "x", ".", "/", "é"]) + key[at + rng.randint(0, 1) :]
    value = rng.choice(VALUES)
    if rng.random() < 0.2:
        value = rng.choice(["'{}'", '"{}"', "[{}]", "{{a:{}}}", "choice({})", "{},1"]).format(value)
    sign = rng.choice([""] * 6 + ["+", "++", "~"])
    return f"{sign}{key}={value}" if rng.random() < 0.95 else f"{sign}{key}"


def _recipe(rng: random.Random, folder: Path) -> list[str]:
    """Writes a recipe, most often one of ours with some changes, and returns the words for it."""
    text = rng.choice(_recipes())
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        change = rng.randrange(5)
        if change == 0:
            lines.insert(at, rng.choice(YAML))
        elif change == 1:
            lines[at] = " " * rng.randint(0, 3) + lines[at].lstrip()
        elif change == 2 and ":" in lines[at]:
            lines[at] = lines[at].split(":")[0] + ": " + rng.choice(VALUES)
        elif change == 3:
            del lines[at]
        else:
            lines[at] = lines[at][: rng.randint(0, len(lines[at]))] + rng.choice(YAML + VALUES)
        text = "\n".join(lines) or "x"
    content = text.encode("utf-8", "surrogatepass" if rng.random() < 0.5 else "ignore")
    group = rng.choice(["experiment", "experiment", "model"])
    (folder / "own" / group / "mine.yaml").write_bytes(content)
    return ["--config-dir", "own", f"{group}=mine"]


@cache
def _recipes() -> list[str]:
    folder = files("electralab.conf.experiment")
    found = [path for path in folder.iterdir() if path.name.endswith(".yaml")]
    return ["seed: 1\n", *(path.read_text() for path in sorted(found, key=lambda path: path.name))]


@cache
def _plain() -> list[Any]:
    """Values as YAML reads them."""
    import yaml

    found = [
        float("nan"),
        float("inf"),
        10**400,
        "a\0b",
        {1: 2},
        {"": None},
        [[]],
        ["a", "a"],
        [0.1],
    ]
    for value in VALUES:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            found.append(yaml.safe_load(value))
    return [*found, *VALUES]


@cache
def _containers() -> list[dict[str, Any]]:
    """A composed configuration of each task, and a chain."""
    from electralab.cli import parse_flags
    from electralab.command.compose import Composer, search_path

    commands = [[*GOOD, f"task={task}"] for task in ("rtd", "mlm", "classification", "translation")]
    data = ["data=text", "data.path=corpus.txt"]  # the texts of the default take a second each
    both = [f"{stage}.{word}" for stage in ("adapt", "finetune") for word in data]
    commands += [["experiment=adapt_then_classify", *both]]
    composer = Composer(path=search_path())
    found = [composer.compose(parse_flags(words).overrides) for words in commands]
    return [composition.points[0].container for composition in found]


@cache
def _known_keys() -> list[str]:
    """All keys of all tasks, and the groups."""
    from electralab.checking.trainer_names import fields

    found: dict[str, None] = {}
    for container in _containers():
        found |= dict.fromkeys(_dotted(container, ""))
    found |= dict.fromkeys(f"trainer.{name}" for name in fields())
    return [*found, "task", "model", "data", "trainer", "tracking", "experiment"]


def _dotted(node: Any, prefix: str) -> list[str]:
    found = []
    for key, value in node.items() if isinstance(node, dict) else ():
        found += [f"{prefix}{key}", *_dotted(value, f"{prefix}{key}.")]
    return found
