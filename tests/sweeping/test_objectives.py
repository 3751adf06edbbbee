"""`objective`: which metric, which way, and whether it compares the runs of a sweep at all."""

from __future__ import annotations

import json

import pytest

from electralab import cli
from electralab.checking.objectives import parse
from electralab.cli import parse_flags
from electralab.command.points import checked
from electralab.comparing.results import Objective
from electralab.errors import UserError
from tests.conftest import write_corpus
from tests.sweeping.conftest import record, sweep
from tests.tiny_chain import chain, write_tables

CLASSES = ["task=classification", "model=electra_tiny"]


def objective(*words: str) -> list[tuple[str, str]]:
    """What the runs of a sweep are judged by."""
    found = checked(parse_flags(["-m", *words])).objective
    return [(one.metric, one.direction) for one in found]


def refused(*words: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        checked(parse_flags(["-m", *words]))
    return caught.value.problems


@pytest.fixture(autouse=True)
def texts(here):
    write_corpus(here / "corpus.txt")
    write_corpus(here / "held.txt")
    write_tables(here)


def test_the_name_says_which_way_unless_the_objective_does():
    assert parse("eval_loss") == [Objective("eval_loss", "min")]
    assert parse(["eval_loss:max", "eval_bleu:minimize", "eval_ter"]) == [
        Objective("eval_loss", "max"), Objective("eval_bleu", "min"), Objective("eval_ter", "min"),
    ]  # fmt: skip
    assert parse(None) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("eval_probe_auc", "max")),
        (["task=mlm"], ("eval_loss", "min")),
        (CLASSES, ("eval_accuracy", "max")),
        (["task=translation"], ("eval_bleu", "max")),
        (["data.split.validation=null", "data.split.test=0.1"], ("test_probe_auc", "max")),
        # What the sweep moves by itself compares nothing.
        (["task.eval_mask_prob=0.1,0.2"], None),
        (["model=electra_tiny,electra_small"], None),
    ],
)
def test_without_an_objective_it_is_what_compares_runs_of_the_task(words, expected):
    assert objective(*words, "seed=1,2") == ([expected] if expected else [])


def test_the_objective_stands_in_the_record(trained):
    assert sweep("seed=1,2", "objective=[eval_mlm_loss,eval_probe_auc]") == 0
    assert record()["objective"] == [
        {"metric": "eval_mlm_loss", "direction": "min"},
        {"metric": "eval_probe_auc", "direction": "max"},
    ]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("eval_los", "is 'eval_los' instead; did you mean `eval_loss`?"),
        ("[eval_loss,eval_bleu]", "is 'eval_bleu' instead"),
        ("eval_loss:up", "`objective` must end in :min or :max, but is 'eval_loss:up'"),
        ("[eval_loss,eval_loss:max]", "must name each metric once, but names eval_loss more"),
        ("test_loss", "is 'test_loss' instead"),
    ],
)
@pytest.mark.parametrize("multirun", [True, False])
def test_an_objective_that_no_run_gives_is_refused(word, said, multirun):
    words = ["-m", "seed=1,2"] if multirun else []
    with pytest.raises(UserError) as caught:
        checked(parse_flags([*words, f"objective={word}"]))
    [line] = caught.value.problems
    assert said in line


def test_the_refusal_names_the_reason_and_what_to_choose(capsys, here):
    before = sorted(here.iterdir())
    words = ["task.disc_weight=10,25", "objective=eval_loss"]
    assert cli.main(["-m", *words]) == cli.main(["check", "-m", *words]) == 2
    assert (
        capsys.readouterr().err.splitlines()
        == [
            "`objective` must be comparable across the sweep, but eval_loss is weighted by "
            "`task.disc_weight`, which is swept; choose eval_probe_auc or eval_disc_auc."
        ]
        * 2
    )
    assert sorted(here.iterdir()) == before


FILE = ["data=text", "data.path=corpus.txt", "data.split.validation=held.txt"]
SHARE = ["data=text", "data.path=corpus.txt"]
PATHS = "data.path=corpus.txt,held.txt"
PAIRED = ["data=python_docs_pairs", *CLASSES]

# Of each: the metric, the words of the sweep, and what of it moves the metric; none: nothing.
MOVED = [
    # What the loss is made of.
    ("eval_loss", ["task.gen_weight=1,2"], "is weighted by `task.gen_weight`"),
    ("eval_loss", ["task.gen_weight=1,2", "task.disc_weight=1,2"],
     "is weighted by `task.disc_weight` and `task.gen_weight`, which are swept"),
    ("eval_mlm_loss", ["task.disc_weight=1,2", "task.gen_weight=1,2"], None),
    ("eval_disc_loss", ["task.disc_weight=1,2"], None),
    # How a run trains is what a sweep is about.
    ("eval_loss", ["seed=1,2", "task.mask_prob=0.1,0.2", "task.replace_prob=0.8,1",
                   "trainer.learning_rate=1e-3,1e-4", "trainer.max_steps=5,10",
                   "model.dropout=0,0.1", "trainer.per_device_train_batch_size=8,16"], None),
    ("eval_disc_auc", ["task.mask_prob=0.1,0.2"], None),
    ("eval_probe_auc", ["model.hidden_size=64,128", "model.num_hidden_layers=1,2"], None),
    # The run's own generator makes what the discriminator is asked about.
    ("eval_disc_auc", ["task.temperature=1,2"], "replacements that change with `task.temperature`"),
    ("eval_disc_accuracy", ["model.generator.hidden_size=16,32"], "`model.generator.hidden_size`"),
    ("eval_disc_loss", ["task.gen_weight=1,2"], "`task.gen_weight`"),
    ("eval_disc_auc", ["model.hidden_size=64,128"], None),  # the generator has sizes of its own
    ("eval_disc_auc", ["model.hidden_size=64,128", "model.generator.hidden_size=null"],
     "`model.hidden_size`"),
    ("eval_probe_auc", ["task.temperature=1,2", "model.generator.hidden_size=16,32"], None),
    ("eval_gen_accuracy", ["task.temperature=1,2"], None),
    # What is held out, and how it is masked.
    ("eval_probe_auc", ["task.eval_mask_prob=0.1,0.2"], "is measured at `task.eval_mask_prob`"),
    ("eval_loss", ["task=mlm", "task.eval_mask_prob=0.1,0.2"], "`task.eval_mask_prob`"),
    ("eval_mlm_loss", [*SHARE, "data.limit=100,200"], "changes with `data.limit`"),
    ("eval_mlm_loss", [*SHARE, "data.clean.min_characters=1,20"], "`data.clean.min_characters`"),
    ("eval_mlm_loss", [*SHARE, "data.split.seed=0,1"], "`data.split.seed`"),
    ("eval_mlm_loss", [*SHARE, "data.split.validation=0.1,0.2"], "`data.split.validation`"),
    ("eval_mlm_loss", [*SHARE, "data.split.test=0.1,0.2", "model.tokenizer=elsewhere"], None),
    ("test_mlm_loss", [*SHARE, "data.split.test=0.1", "data.split.validation=0.1,0.2"],
     "`data.split.validation`"),
    ("eval_mlm_loss", ["data=text", PATHS], "is measured on tokens that change with `data.path`"),
    ("eval_mlm_loss", [*FILE, PATHS, "model.tokenizer=elsewhere"], None),
    ("eval_probe_auc", [*FILE, PATHS, "model.tokenizer=elsewhere"], "`data.path`"),
    ("eval_mlm_loss", [*SHARE, "data.num_proc=1,2"], None),
    # Tokens and rows.
    ("eval_mlm_loss", ["model.vocab_size=300,400"], "tokens that change with `model.vocab_size`"),
    ("eval_probe_auc", ["model=electra_tiny,electra_small"],
     "`model.vocab_size`, which is not the same in all points"),
    ("eval_mlm_loss", ["data.max_length=32,64"], "rows that change with `data.max_length`"),
    ("eval_perplexity", ["task=mlm", "data.packing=concat,none"], "`data.packing`"),
    ("eval_accuracy", [*CLASSES, "model.vocab_size=300,400", "data.max_length=32,64"], None),
    ("eval_loss", [*CLASSES, "model.vocab_size=300,400", "data.max_length=32,64"], None),
    ("eval_loss", ["task=translation", "model.vocab_size=300,400"], "`model.vocab_size`"),
    ("eval_bleu", ["task=translation", "model.vocab_size=300,400", "task.label_smoothing=0,0.1",
                   "data.max_target_length=32,64", "task.eval_num_beams=1,2"], None),
    ("eval_loss", ["task=translation", "data.max_target_length=32,64"], "data.max_target_length"),
    ("eval_loss", ["task=translation", "task.label_smoothing=0,0.1"], None),  # in training alone
    # Classes.
    ("eval_loss", [*CLASSES, "task.class_weights=null,balanced"], "weighted by `task.class_w"),
    ("eval_accuracy", [*CLASSES, "task.class_weights=null,balanced", "task.layer_decay=0.8,1"],
     None),
    ("eval_f1", [*PAIRED, "task.average=binary,macro"], "is averaged by `task.average`"),
    ("eval_accuracy", [*PAIRED, "task.average=binary,macro"], None),
    ("eval_accuracy", [*CLASSES, "data=python_docs_library,python_docs_pairs"], "`data.source`"),
    # Two tasks have no loss in common.
    ("eval_loss", ["task=rtd,mlm"], "means something else with `task.name`"),
    # The same value twice is no difference.
    ("eval_loss", ["task.disc_weight=10,10.0"], None),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "words", "said"), MOVED)
def test_an_objective_is_refused_only_where_the_sweep_itself_moves_it(
    metric, words, said, monkeypatch
):
    # A tokenizer of another place is not looked at here.
    monkeypatch.setattr("electralab.checking.checks._model", lambda *_: [])
    if said is None:
        assert objective(f"objective={metric}", *words)[0][0] == metric
    else:
        [line] = refused(f"objective={metric}", *words)
        assert said in line


def test_models_with_the_same_pieces_compare(here, monkeypatch):
    monkeypatch.setattr("electralab.checking.checks._model", lambda *_: [])
    for name, pieces in (("one", "a b c"), ("two", "a b c"), ("other", "a b d")):
        (here / name).mkdir()
        (here / name / "vocab.txt").write_text(pieces.replace(" ", "\n"))
        (here / name / "config.json").write_text(json.dumps({"model_type": "electra"}))
    words = ["model=auto", "task=mlm", "objective=eval_loss"]
    assert objective(*words, "model.name_or_path=one,two") == [("eval_loss", "min")]
    for names in ("one,other", "google/electra-small-generator,one"):
        [line] = refused(*words, f"model.name_or_path={names}")
        assert "tokens that change with `model.name_or_path`" in line


@pytest.mark.parametrize(
    ("metric", "words", "moved"),
    [
        ("finetune.test_accuracy", ["adapt.task.disc_weight=10,50"], False),
        ("finetune.test_accuracy", ["adapt.model.vocab_size=200,300"], False),
        ("finetune.test_loss", ["adapt.data.max_length=16,32"], False),
        ("gain.test_accuracy", ["finetune.trainer.learning_rate=1e-3,1e-4"], False),
        ("finetune.test_accuracy", ["finetune.seeds=[0],[1]"], False),
        ("finetune.test_accuracy", ["finetune.data.split.seed=0,1"], True),
        ("gain.test_accuracy", ["finetune.data.limit=20,30"], True),
        ("finetune.test_loss", ["finetune.task.class_weights=null,balanced"], True),
    ],
)
def test_a_chain_is_judged_by_its_fine_tuning(metric, words, moved):
    words = [word for word in chain(f"objective={metric}", *words) if word != "tracking=off"]
    if moved:
        [line] = refused(*words)
        key = words[-1].partition("=")[0]
        assert f"`{key}`, which is swept" in line
    else:
        assert objective(*words)[0][0] == metric


def test_a_chain_s_own_objective_is_its_test_split():
    assert objective(*chain("adapt.task.disc_weight=10,50")) == [("finetune.test_accuracy", "max")]
    words = chain("adapt.task.disc_weight=10,50", "finetune.data.split.test=null",
                  "finetune.data.split.validation=0.2")  # fmt: skip
    assert objective(*words) == [("finetune.eval_accuracy", "max")]
