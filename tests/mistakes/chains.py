"""Mistakes in a chain of two stages."""

from __future__ import annotations

from tests.mistakes.case import RUN, Cases, Place
from tests.tiny_chain import chain, from_checkpoint, write_tables

case = Cases()


def words(*more: str):
    """Words of a chain whose tables are there."""

    def make(place: Place) -> list[str]:
        write_tables(place.path)
        return chain(*more)

    return make


def rewritten(old: str, new: str):
    """Words of a chain with another table of labels."""

    def make(place: Place) -> list[str]:
        write_tables(place.path)
        table = place.path / "labelled.tsv"
        table.write_text(table.read_text().replace(old, new))
        return chain()

    return make


def from_the_run(*more: str):
    """Words of a chain that starts from a pair."""

    def make(place: Place) -> list[str]:
        write_tables(place.path)
        return from_checkpoint(place.run(), *more)

    return make


case("stage-without-chain", ["adapt.task=mlm"], "`adapt.task`", "experiment=adapt_then_classify")
case("stage-key-without-chain", ["adapt.task.mask_prob=0.2"], "`adapt.task.mask_prob`", "chain")
case("stage-trainer-without-chain", ["finetune.trainer.max_steps=2"],
     "`finetune.trainer.max_steps`", "chain")  # fmt: skip
case("chain-key-without-stage", words("task.mask_prob=0.2"),
     "`task.mask_prob`", "adapt.task.mask_prob", "finetune.task.mask_prob")  # fmt: skip
case("chain-group-without-stage", words("model=electra_small"),
     "`model`", "adapt.model", "finetune.model")  # fmt: skip
case("chain-trainer-without-stage", words("trainer.max_steps=2"), "`trainer.max_steps`")
case("chain-option", words("adapt.data=txt"), "`adapt.data=txt`", "did you mean `text`?")
case("chain-range", words("adapt.task.mask_prob=2"), "`adapt.task.mask_prob` must be", "2")
case("chain-unknown", words("adapt.task.mask_prb=2"), "did you mean `adapt.task.mask_prob`?")
case("chain-trainer-name", words("finetune.trainer.max_stps=2"),
     "`finetune.trainer.max_stps`", "`max_steps`")  # fmt: skip
case("chain-no-file", words("adapt.data.path=no.txt"), "`adapt.data.path`", "no.txt")
case("chain-no-table", words("finetune.data.path=no.tsv"), "`finetune.data.path`", "no.tsv")
case("chain-no-column", words("finetune.data.columns.label=klass"),
     "`finetune.data.columns.label`", "klass")  # fmt: skip
case("chain-no-checkpoint", lambda place: (write_tables(place.path), from_checkpoint("./no"))[1],
     "`adapt.model.name_or_path`", "./no")  # fmt: skip
case("chain-adapt-task", words("adapt.task=classification"), "`adapt.task.name` must be rtd or mlm")
case("chain-finetune-task", words("finetune.task=mlm"), "`finetune.task.name` must be classific")
case("chain-sizes", words("finetune.model.hidden_size=8"), "`finetune.model` must be auto")
case("chain-seeds", words("finetune.seeds=1"), "`finetune.seeds`", "a list of whole numbers")
case("chain-no-seeds", words("finetune.seeds=[]"), "`finetune.seeds` must not be empty")
case("chain-same-seeds", words("finetune.seeds=[1,1]"), "`finetune.seeds`", "once")
case("chain-nothing-held-out",
     words("finetune.data.split.test=null", "finetune.data.split.validation=null"),
     "`finetune.data.split.test`", "compared")  # fmt: skip
case(
    "chain-objective-without-its-stage",
    words("objective=test_accuracy"),
    *("`objective`", "did you mean `finetune.test_accuracy`?"),
)
case("chain-objective", words("objective=finetune.test_acuracy"),
     "`objective`", "did you mean `finetune.test_accuracy`?")  # fmt: skip
case("objective", ["objective=eval_los"], "`objective`", "did you mean `eval_loss`?")
case("chain-resume", words("resume=auto"), "`resume` must be null for a chain")
case("chain-pair-by-mlm", from_the_run("adapt.task=mlm"), "`adapt.model.name_or_path`", "pair")
case("chain-pair-by-mlm-as-run", lambda place: from_the_run(
    "adapt.task=mlm", f"adapt.model.name_or_path={RUN.partition('/')[2]}")(place),
     "`adapt.model.name_or_path`", "pair")  # fmt: skip
case("chain-one-class", rewritten("\tnet", "\tfile"), "`finetune.data.columns.label`")
