"""`electralab rerun`: the same numbers and weights, and what is said where they cannot be."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from electralab import cli
from electralab.rerunning.recorded import read
from electralab.rerunning.verdict import first_difference
from electralab.tracking import provenance
from electralab.verbs.rerun import _as_then, _judge
from tests.conftest import TINY, write_corpus

RUN = ["data=text", "data.path=corpus.txt", *TINY, "model.dropout=0.1", "seed=3"]
PAIRS = [
    *("task=classification", "data=csv", "data.path=pairs.csv", "model=electra_tiny"),
    *("data.columns.text_pair=other", "data.split.test=0.2", "trainer.num_train_epochs=1"),
    *(word for word in TINY if not word.startswith(("task.", "trainer.max_steps"))),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two finished runs, which tests may read and run again."""
    root = tmp_path_factory.mktemp("rerun")
    write_corpus(root / "corpus.txt", documents=80)
    rows = [f"the path of file {n},a name of list {n % 7},{'ab'[n % 2]}" for n in range(60)]
    (root / "pairs.csv").write_text("\n".join(["text,other,label", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert cli.main(RUN) == 0 and cli.main(PAIRS) == 0
    return root


@pytest.fixture
def inside(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def runs(name: str = "rtd") -> list[Path]:
    return sorted(Path("outputs", name).iterdir(), key=lambda folder: folder.stat().st_mtime)


def first(name: str = "rtd") -> Path:
    return min(Path("outputs", name).iterdir(), key=lambda folder: folder.name)


def identity(folder: Path) -> str:
    return json.loads((folder / "run.json").read_text())["run_id"]


@pytest.mark.parametrize("name", ["rtd", "classification"])
def test_a_rerun_is_identical_to_the_bit(inside, capsys, name):
    folder = first(name)
    assert cli.main(["rerun", str(folder)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "identical\n" and "differs" not in shown.err
    again = runs(name)[-1]
    assert again != folder
    assert (
        read(again, run_id="").summary["weights_sha256"]
        == (read(folder, run_id="").summary["weights_sha256"])
    )
    (weights, others) = (
        (run / "model" / "model.safetensors").read_bytes() for run in (folder, again)
    )
    assert weights == others
    assert tags(identity(again))["rerun_of"] == identity(folder)
    assert tags(identity(again))["rerun_result"] == "identical"


def tags(run_id: str) -> dict[str, str]:
    from electralab.config import TrackingConfig
    from electralab.tracking.store import open_store

    store = open_store(TrackingConfig(mode="local", uri=None), output_dir="outputs")
    return store.client().get_run(run_id).data.tags


def test_a_run_whose_folder_is_gone_is_taken_from_the_store(inside, capsys, tmp_path):
    folder = first()
    shutil.move(folder, tmp_path / "away")
    try:
        assert cli.main(["rerun", identity(tmp_path / "away")[:12]]) == 0
        assert capsys.readouterr().out == "identical\n"
    finally:
        shutil.move(tmp_path / "away", folder)


def test_another_seed_is_a_new_run_that_names_the_old_one(inside, capsys):
    assert cli.main(["rerun", str(first()), "seed=4"]) == 0
    shown = capsys.readouterr()
    again = runs()[-1]
    assert shown.out == "" and f"electralab compare {identity(first())}" in shown.err
    assert yaml.safe_load((again / "config.yaml").read_text())["seed"] == 4
    assert tags(identity(again))["rerun_of"] == identity(first())
    found = first_difference(read(first(), run_id=""), read(again, run_id=""))
    assert found.startswith("at step 2 in loss: ")


@pytest.fixture
def stopped(monkeypatch):
    """Nothing is trained: what is said before is what counts."""
    import electralab.run

    def execute(*args, **kwargs):
        raise RuntimeError("begun")

    monkeypatch.setattr(electralab.run, "execute", execute)


@pytest.mark.usefixtures("stopped")
def test_other_code_packages_and_hardware_are_said_first(inside, capsys, monkeypatch):
    now = provenance.provenance()
    packages = now["packages"] | {"numpy": "0.1"}
    monkeypatch.setattr(
        provenance, "provenance", lambda: now | {"packages": packages, "cpu": "Z80"}
    )
    monkeypatch.setattr(provenance, "code", lambda: "another")
    assert cli.main(["rerun", str(first())]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("differs: code: the source of electralab")
    assert lines[1] == f"differs: package numpy: 0.1 now, {now['packages']['numpy']} then"
    assert lines[2] == f"differs: hardware: the processor is Z80 now, {now['cpu']} then"
    assert "begun" in lines[3] and len(lines) == 4


@pytest.mark.usefixtures("stopped")
def test_one_changed_byte_of_the_data_is_refused_with_the_name_of_the_file(inside, capsys):
    corpus = Path("corpus.txt")
    before = corpus.read_text()
    try:
        corpus.write_text("X" + before[1:])
        assert cli.main(["rerun", str(first())]) == 2
        [line] = capsys.readouterr().err.splitlines()
        size = len(before)
        assert f"but corpus.txt has other content ({size} bytes now, {size} then); bring" in line
        assert cli.main(["rerun", str(first()), "name=more"]) == 1  # a new run may read it
        assert capsys.readouterr().err.startswith("differs: data: corpus.txt has other content")
        corpus.unlink()
        assert cli.main(["rerun", str(first())]) == 2
        assert "corpus.txt" in capsys.readouterr().err
    finally:
        corpus.write_text(before)


def test_other_examples_of_the_same_files_are_refused_before_a_folder_exists(inside, capsys):
    """As where another version of a library tokenises otherwise."""
    run = Path("outputs", "copied", first().name)
    shutil.copytree(first(), run)
    try:
        file = run / "run.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"data_fingerprint": "0"}))
        before = runs()
        assert cli.main(["rerun", str(run)]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("RUN must be run again with the examples that it had")
        assert runs() == before
    finally:
        shutil.rmtree(run.parent)


def test_a_run_that_starts_from_a_run_needs_its_weights(inside, capsys):
    words = ["task=mlm", "data=text", "data.path=corpus.txt", "model=auto", "model.dropout=0"]
    words += [word for word in TINY if not word.startswith("model.")]
    assert cli.main([*words, f"model.name_or_path={identity(first())}"]) == 0
    weights = first() / "model" / "model.safetensors"
    before = weights.read_bytes()
    try:
        weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        assert cli.main(["rerun", str(first("mlm"))]) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert "the model that it had, but what `model.name_or_path` names is another" in line
    finally:
        weights.write_bytes(before)
    assert cli.main(["rerun", str(first("mlm"))]) == 0
    assert capsys.readouterr().out == "identical\n"


@pytest.mark.usefixtures("stopped")
def test_the_threads_of_the_run_are_taken(inside, capsys, monkeypatch):
    now = torch.get_num_threads()
    record = read(first(), run_id="").provenance | {"threads": 5}
    (first() / "provenance.json").write_text(json.dumps(record))
    monkeypatch.setattr("electralab.verbs.rerun.cores", lambda: 3)
    try:
        assert cli.main(["rerun", str(first())]) == 1
        assert torch.get_num_threads() == 5
        assert "used 5 threads, which share the 3 cores" in capsys.readouterr().err
    finally:
        torch.set_num_threads(now)
        (first() / "provenance.json").write_text(json.dumps(record | {"threads": now}))


def test_of_a_run_that_was_stopped_what_it_logged_is_compared(place, tmp_path, capsys):
    whole = min((place / "outputs" / "rtd").iterdir(), key=lambda one: one.name)
    stopped = tmp_path / "stopped"
    shutil.copytree(whole, stopped)
    (stopped / "history.json").unlink()
    (stopped / "summary.json").write_text('{"status": "KILLED"}')
    before, after = read(stopped, run_id=""), read(whole, run_id="")
    assert before.history and first_difference(before, after) is None
    before.history[0]["loss"] += 1
    assert first_difference(before, after).startswith("at step 2 in loss: ")
    shutil.rmtree(stopped / "checkpoints")
    summary = {"folder": str(whole), "run_id": ""}
    assert _judge(read(stopped, run_id="", place="it"), summary, SimpleNamespace()) == 0
    shown = capsys.readouterr()
    assert shown.out == "" and "nothing to compare with: it has no results (killed)" in shown.err


def test_the_precision_of_the_run_is_taken(place):
    """Where the hardware was to decide, for this one may have another."""
    recorded = read(min((place / "outputs" / "rtd").iterdir()), run_id="")
    assert recorded.identity["precision"] == "float32"
    for kind, asked, taken in (
        ("bf16", "auto", True),
        ("float32", "auto", False),
        ("float32", True, True),
    ):
        config = SimpleNamespace(trainer={"bf16": asked})
        _as_then(dataclasses.replace(recorded, identity={"precision": kind}, provenance={}), config)
        assert config.trainer["bf16"] is taken


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["data=csv"], "`data` chooses files"),
        (["sead=1"], "`sead` must be a key of the run"),
        (["seed=1,2"], "must set one value"),
        (["+seed=1"], "must set one value"),
        (["seed=-1"], "`seed` must be from 0 to 4294967295"),
        (["task.mask_prob=2"], "`task.mask_prob` must be"),
        (["trainer._target_=os.system"], "`trainer._target_`"),
    ],
)
def test_a_wrong_override_is_one_line(inside, capsys, words, part):
    assert cli.main(["rerun", str(first()), *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert part in line


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("task: [", "must have a readable config.yaml"),
        ("just text", "it holds no keys"),
        ("!!python/object/apply:os.system ['touch hit']", "must have a readable config.yaml"),
        (BOMB, "it has an alias"),
        (f"a: {'[' * 5000}", "must have a readable config.yaml"),
        (f"a: {'x' * 1_000_001}", "larger than 1,000,000 bytes"),
        ("task: {name: rtd, _target_: os.system}", "`task._target_`"),
    ],
)
def test_a_record_cannot_run_code_or_fill_the_memory(inside, capsys, tmp_path, content, part):
    folder = tmp_path / "record"
    shutil.copytree(first(), folder)
    (folder / "config.yaml").write_text(content)
    assert cli.main(["rerun", str(folder)]) == 2
    assert part in capsys.readouterr().err
    assert not Path("hit").exists()


def test_the_first_difference_is_named(place):
    folder = min((place / "outputs" / "rtd").iterdir(), key=lambda one: one.name)
    before = read(folder, run_id="")
    [*history] = json.loads(json.dumps(before.history))
    changed = read(folder, run_id="")
    changed.history[:] = history
    step = next(logs for logs in changed.history if "eval_mlm_loss" in logs)
    step["eval_mlm_loss"] += 1e-15
    step["eval_runtime"] = 1e9  # a clock reading
    found = first_difference(before, changed)
    assert found.startswith(f"at step {step['step']} in eval_mlm_loss: ")
    changed.history[:] = before.history[:-1]
    assert "was logged once alone" in first_difference(before, changed)
    changed.history[:] = before.history
    changed.summary["weights_sha256"] = "0"
    assert "final weights" in first_difference(before, changed)
