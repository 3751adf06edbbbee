"""A chain: what its arms start from, what it compares, what is done once, what goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import statistics

import pytest
import yaml
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertModel

from electralab.cli import main
from electralab.running import reuse
from electralab.timing import TIMING_METRICS
from electralab.training.trainer import ExperimentTrainer
from tests.tiny_chain import chain, folders, from_checkpoint, summary, write_tables

OFF = "tracking=off"
FROZEN = "finetune.trainer.learning_rate=0"  # so that the end shows the start


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a chain of two seeds, that is done and tracked, and of frozen weights."""
    folder = tmp_path_factory.mktemp("done")
    write_tables(folder)
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main(chain("finetune.seeds=[0,3]", FROZEN)) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def tables(here):
    write_tables(here)
    return here


@pytest.fixture
def trainings(monkeypatch):
    """Counts the trainings that are begun."""
    begun, train = [], ExperimentTrainer.train

    def counting(trainer, *args, **kwargs):
        begun.append(kwargs.get("resume_from_checkpoint"))
        return train(trainer, *args, **kwargs)

    monkeypatch.setattr(ExperimentTrainer, "train", counting)
    return begun


def encoder(run, part: str = "") -> dict:
    """The tensors of an ELECTRA's encoder, without those of its head."""
    tensors = load_file(run / "model" / "model.safetensors")
    mark = f"{part}electra."
    found = {n.removeprefix(mark): t for n, t in tensors.items() if n.startswith(mark)}
    assert found
    return found


def same(one: dict, other: dict) -> bool:
    # A pair's file holds what its halves share once.
    names = one.keys() & other.keys()
    assert len(names) > 10
    return all(bool((one[name] == other[name]).all()) for name in names)


def starts(run) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())["model"]


def by_arm(here, name: str = "adapt_then_classify") -> dict[str, list]:
    """The fine-tuning runs of the last chain."""
    *_, last = folders(here, name)["chain"]
    ids = summary(last)["runs"]
    known = {summary(run)["run_id"]: run for run in folders(here, name)["classification"]}
    return {arm: [known[run_id] for run_id in ids[arm]] for arm in ("adapted", "unadapted")}


def test_it_adapts_and_fine_tunes_both_arms_with_each_seed(done):
    found = folders(done)
    assert [len(found[task]) for task in ("chain", "rtd", "classification")] == [1, 1, 4]
    arms = by_arm(done)
    for arm in arms.values():
        seeds = [yaml.safe_load((run / "config.yaml").read_text())["seed"] for run in arm]
        assert seeds == [0, 3]


def test_the_adapted_arm_starts_from_the_adaptation_and_the_other_does_not(done):
    [adaptation] = folders(done)["rtd"]
    arms = by_arm(done)
    adapted = encoder(adaptation, "discriminator.")
    for run in arms["adapted"]:
        assert same(encoder(run), adapted)
        assert starts(run)["name_or_path"] == summary(adaptation)["run_id"]
    for run in arms["unadapted"]:
        assert not same(encoder(run), adapted)
        assert starts(run)["name_or_path"] is None
    # Fresh weights are another draw with each seed.
    assert not same(*(encoder(run) for run in arms["unadapted"]))


def test_both_arms_read_the_same_ids_and_differ_in_nothing_but_their_model(done):
    arms = by_arm(done)
    vocabularies = [
        AutoTokenizer.from_pretrained(run / "model").get_vocab()
        for arm in arms.values()
        for run in arm
    ]
    assert all(vocabulary == vocabularies[0] for vocabulary in vocabularies)
    for one, other in zip(arms["adapted"], arms["unadapted"], strict=True):
        pair = [yaml.safe_load((run / "config.yaml").read_text()) for run in (one, other)]
        shapes = [{k: v.shape for k, v in encoder(run).items()} for run in (one, other)]
        assert shapes[0] == shapes[1]
        for config in pair:
            del config["model"]
        assert pair[0] == pair[1]


def test_its_metrics_are_means_and_paired_differences_over_the_seeds(done):
    [folder] = folders(done)["chain"]
    found, arms = summary(folder), by_arm(done)
    assert (found["task"], found["status"], found["objective"]) == ("chain", "FINISHED", None)
    metrics = found["metrics"]
    for name in ("test_accuracy", "eval_loss"):
        values = {arm: [summary(run)["metrics"][name] for run in arms[arm]] for arm in arms}
        gains = [a - b for a, b in zip(values["adapted"], values["unadapted"], strict=True)]
        for part, numbers in (
            *(("finetune", values["adapted"]), ("unadapted", values["unadapted"])),
            ("gain", gains),
        ):
            assert metrics[f"{part}.{name}"] == pytest.approx(statistics.mean(numbers))
            assert metrics[f"{part}.{name}_sd"] == pytest.approx(statistics.stdev(numbers))
    assert not [name for name in metrics if name.partition(".")[2] in TIMING_METRICS]


def test_mlflow_shows_its_runs_as_children_that_name_what_they_start_from(done):
    [folder] = folders(done)["chain"]
    found = summary(folder)
    with sqlite3.connect(done / "outputs" / "mlflow.db") as connection:
        rows = connection.execute("SELECT run_uuid, key, value FROM tags").fetchall()
        status = dict(connection.execute("SELECT run_uuid, status FROM runs"))
        [logged] = connection.execute(
            "SELECT value FROM latest_metrics WHERE key = 'gain.test_accuracy' AND run_uuid = ?",
            [found["run_id"]],
        )
    tags: dict[str, dict[str, str]] = {}
    for run_id, key, value in rows:
        tags.setdefault(run_id, {})[key] = value
    runs = found["runs"]
    children = [runs["adapt"], *runs["adapted"], *runs["unadapted"]]
    assert set(status) == {found["run_id"], *children} and set(status.values()) == {"FINISHED"}
    assert {tags[child]["mlflow.parentRunId"] for child in children} == {found["run_id"]}
    assert "mlflow.parentRunId" not in tags[found["run_id"]]
    assert {tags[run]["starts_from"] for run in runs["adapted"]} == {runs["adapt"]}
    assert not any("starts_from" in tags[run] for run in runs["unadapted"])
    assert tags[runs["adapt"]]["stage"] == "adapt"
    assert tags[found["run_id"]]["command"].startswith("electralab experiment=adapt_then_classify")
    assert logged == (found["metrics"]["gain.test_accuracy"],)


def test_typed_again_it_runs_nothing_and_says_the_same(done, monkeypatch, trainings, capsys):
    monkeypatch.chdir(done)
    before = summary(folders(done)["chain"][0])
    assert main(chain("finetune.seeds=[0,3]", FROZEN)) == 0
    assert trainings == [] and "test_accuracy" in capsys.readouterr().err
    [folder] = folders(done)["chain"]
    assert summary(folder)["metrics"] == before["metrics"]


def test_another_seed_costs_two_runs_and_a_sweep_adapts_once(tables, trainings):
    assert main(chain(OFF)) == 0
    assert len(trainings) == 3
    assert main(chain(OFF, "finetune.seeds=[0,1]")) == 0
    assert len(trainings) == 5
    swept = ["-m", *chain(OFF), "finetune.trainer.weight_decay=0.01,0.1"]
    assert main(swept) == 0
    assert len(trainings) == 7  # the first of the two was there
    # The chain of the sweep that was there has a place in the sweep as well.
    assert len(folders(tables)["rtd"]) == 1 and len(folders(tables)["chain"]) == 4


def test_a_sweep_over_the_adaptation_fine_tunes_the_unadapted_model_once(tables, trainings):
    assert main(["-m", *chain(OFF), "adapt.task.disc_weight=10,50"]) == 0
    assert len(trainings) == 5
    one, other = (summary(folder) for folder in folders(tables)["chain"])
    assert one["runs"]["unadapted"] == other["runs"]["unadapted"]
    assert one["runs"]["adapted"] != other["runs"]["adapted"]
    assert one["metrics"]["unadapted.test_loss"] == other["metrics"]["unadapted.test_loss"]


def stop(monkeypatch, words, *, step: int) -> int:
    """Runs a command until SIGTERM comes in some step of all its trainings; returns its status."""
    with monkeypatch.context() as patch:
        function, count = ExperimentTrainer.training_step, iter(range(1, 10_000))

        def stepping(trainer, *args, **kwargs):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return function(trainer, *args, **kwargs)

        patch.setattr(ExperimentTrainer, "training_step", stepping)
        return main(words)


@pytest.mark.parametrize("again", ["the command", "resume"])
def test_a_chain_that_was_stopped_goes_on_and_ends_as_one_that_was_not(
    tables, monkeypatch, capsys, trainings, again
):
    # In the adaptation, and, having gone on, in the second of the fine-tunings: the unadapted one.
    assert main(chain(OFF, "name=straight")) == 0
    words = chain(OFF, "name=cut")
    assert stop(monkeypatch, words, step=3) == 143
    [folder] = folders(tables, "cut")["chain"]
    assert summary(folder)["status"] == "KILLED"
    assert f"electralab resume {folder}" in capsys.readouterr().err
    goes_on = words if again == "the command" else ["resume", str(folder)]
    assert stop(monkeypatch, goes_on, step=1 + 4 + 3) == 143
    trainings.clear()
    assert main(goes_on) == 0
    [checkpoint] = trainings
    assert checkpoint.endswith("checkpoint-3")
    found = folders(tables, "cut")
    assert [len(found[task]) for task in ("chain", "rtd", "classification")] == [1, 1, 2]
    [straight] = folders(tables, "straight")["chain"]
    assert summary(folder)["metrics"] == summary(straight)["metrics"]
    for arm, [run] in by_arm(tables, "cut").items():
        assert same(encoder(run), encoder(by_arm(tables, "straight")[arm][0]))


def test_both_arms_start_from_the_checkpoint_of_which_one_is_adapted(tables):
    assert main(chain(OFF)) == 0
    [earlier] = folders(tables)["rtd"]
    start = from_checkpoint(earlier, OFF, FROZEN, "name=on", "adapt.task.disc_weight=10")
    assert main(start) == 0
    arms = by_arm(tables, "on")
    assert same(encoder(arms["unadapted"][0]), encoder(earlier, "discriminator."))
    assert not same(encoder(arms["adapted"][0]), encoder(earlier, "discriminator."))


def test_a_bert_is_read_as_an_electra_in_both_arms(tables, done):
    [earlier] = folders(done)["rtd"]
    tokenizer = AutoTokenizer.from_pretrained(earlier / "model")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 64}
    bert = BertModel(BertConfig(vocab_size=len(tokenizer), **sizes))
    bert.save_pretrained("bert")
    tokenizer.save_pretrained("bert")
    assert main(from_checkpoint("bert", OFF, FROZEN)) == 0
    arms = by_arm(tables)
    untouched = {k: v for k, v in bert.state_dict().items() if not k.startswith("pooler.")}
    [adapted], [unadapted] = arms["adapted"], arms["unadapted"]
    assert same(encoder(unadapted), untouched) and not same(encoder(adapted), untouched)
    kinds = [load_file(run / "model" / "model.safetensors").keys() for run in (adapted, unadapted)]
    assert kinds[0] == kinds[1]


def test_masked_language_modelling_adapts_as_well(tables):
    assert main(chain(OFF, FROZEN, "adapt.task=mlm")) == 0
    [adaptation] = folders(tables)["mlm"]
    arms = by_arm(tables)
    assert same(encoder(arms["adapted"][0]), encoder(adaptation))
    assert not same(encoder(arms["unadapted"][0]), encoder(adaptation))


def test_an_earlier_run_can_take_the_place_of_the_adaptation(tables, trainings):
    assert main(chain(OFF)) == 0
    [earlier] = folders(tables)["rtd"]
    trainings.clear()
    named = f"finetune.model.name_or_path={earlier}"
    assert main(chain(OFF, "name=named", FROZEN, named)) == 0
    assert len(trainings) == 2
    [adapted] = by_arm(tables, "named")["adapted"]
    assert same(encoder(adapted), encoder(earlier, "discriminator."))


def test_a_run_that_fails_ends_the_chain_and_is_named(tables, capsys):
    assert main(chain(OFF, "finetune.trainer.learning_rate=1e30")) == 1
    [folder] = folders(tables)["chain"]
    assert summary(folder)["status"] == "FAILED"
    [failed] = folders(tables)["classification"]
    *_, last = capsys.readouterr().err.splitlines()
    assert "diverged" in last and "`finetune.trainer.learning_rate`" in last
    assert last.endswith(f"(run {failed})")


def test_what_is_wrong_with_the_labels_is_said_before_the_adaptation(tables, trainings, capsys):
    table = tables / "labelled.tsv"
    table.write_text(table.read_text().replace("\tnet", "\tfile"))
    assert main(chain()) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert "`finetune.data.columns.label`" in last
    assert trainings == [] and not (tables / "outputs" / "adapt_then_classify").exists()


def test_of_two_processes_that_want_the_same_run_one_waits(tables, monkeypatch, capsys):
    from filelock import FileLock

    from electralab.chain_config import adaptation
    from electralab.checking.signature import signature
    from electralab.cli import parse_flags
    from electralab.command.points import checked

    [found] = checked(parse_flags(chain(OFF))).points
    config = adaptation(found.config)
    place = tables / "outputs" / "cache" / "locks"
    place.mkdir(parents=True)
    other = FileLock(place / f"{config.name}-{signature(config)}.lock", thread_local=False)
    other.acquire()
    said: list[str] = []

    def say(*lines: str) -> None:
        said.extend(lines)
        other.release()  # when it is said that the other is waited for

    monkeypatch.setattr("electralab.running.report.say", say)
    monkeypatch.setattr(reuse, "find_finished", lambda config: {"folder": "there"})
    got = reuse.run_once(config, [], title="adapt", link=dict)
    assert got == {"folder": "there", "reused": True}
    assert said == ["adapt: another process runs it; waiting", "adapt: done before, in there"]


@pytest.mark.parametrize("verb", ["predict", "export"])
def test_a_verb_for_one_run_names_the_runs_of_a_chain(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs" / "chain" / "first"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"run_id": "0a1b2c3d", "task": "chain"}')
    runs = {"adapt": "aa11", "adapted": ["bb22", "cc33"], "unadapted": ["dd44", "ee55"]}
    (folder / "summary.json").write_text(json.dumps({"run_id": "0a1b2c3d", "runs": runs}))
    assert main([verb, str(folder), "out"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "bb22 (adapted)" in said and "aa11 (adapt)" in said
