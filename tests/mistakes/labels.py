"""Labels and classifiers that cannot be trained."""

from __future__ import annotations

from pathlib import Path

from tests.mistakes.case import Cases, Place
from tests.tasks.classifying import examples, tokenizer, words, write_csv

case = Cases()
GOOD = examples(40)


def table(name: str, rows: list[tuple], *said: str, more: tuple[str, ...] = ()) -> None:
    """Adds a case of a table that cannot be trained on."""

    def made(place: Place) -> list[str]:
        write_csv(place.path / "a.csv", rows)
        return words("a.csv", *more)

    case(name, made, "`data.columns.label`", *said)


def key(name: str, word: str, *said: str, more: tuple[str, ...] = ()) -> None:
    """Adds a case of a key that does not fit good data."""

    def made(place: Place) -> list[str]:
        write_csv(place.path / "a.csv", GOOD)
        return words("a.csv", word, *more)

    case(name, made, *said)


def _held_out(place: Place) -> list[str]:
    write_csv(place.path / "a.csv", GOOD)
    write_csv(place.path / "b.csv", [*GOOD, ("a text", "wrod"), ("another", "wrod")])
    return words("a.csv", "data.split.validation=b.csv")


def _kept_back(place: Place) -> list[str]:
    """A shared task keeps the scores of its test split back, and writes -1 instead."""
    write_csv(place.path / "a.csv", [(text, len(text)) for text, _ in GOOD])
    write_csv(place.path / "b.csv", [(text, -1) for text, _ in GOOD[:9]])
    return words("a.csv", "task.problem=regression", "data.split.test=b.csv")


def _decoder(place: Place) -> list[str]:
    from transformers import T5Config

    write_csv(place.path / "a.csv", GOOD)
    folder = Path(place.folder("t5"))
    T5Config(vocab_size=300, d_model=16, d_ff=16, num_layers=1, num_heads=2).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    sizes = [word for word in words("a.csv") if not word.startswith("model")]
    return [*sizes, "model=auto", f"model.name_or_path=./{folder}"]


def _shared_layers(place: Place) -> list[str]:
    """Returns words of a packed run from an ALBERT, whose layers are all the same one."""
    from transformers import AlbertConfig, AlbertForSequenceClassification

    write_csv(place.path / "a.csv", GOOD)
    folder = Path(place.folder("albert"))
    sizes = {"vocab_size": 300, "embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "intermediate_size": 16, "initializer_range": 0.3}
    sizes["id2label"] = dict(enumerate(("file", "number", "word")))
    AlbertForSequenceClassification(AlbertConfig(**sizes)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    own = [word for word in words("a.csv") if not word.startswith("model")]
    return [*own, "model=auto", f"model.name_or_path=./{folder}", "data.packing=separate"]


table("one-class-only", [(text, "word") for text, _ in GOOD], "two classes", "'word'")
table(
    "labels-apart-by-a-blank",
    [*((text, "yes") for text, _ in GOOD), ("a", "yes "), ("b", "no")],
    *("differ by more than blanks", "'yes' (40 rows)", "'yes ' (1 rows)"),
)
table(
    "scores-for-classes",
    [(text, number / 8) for number, (text, _) in enumerate(GOOD)],
    *("fractions", "task.problem=regression"),
)
table(
    "a-column-of-numbers-for-the-label",
    [(text, number) for number, (text, _) in enumerate(GOOD)],
    *("40 different", "task.problem=regression"),
)
table(
    "text-for-a-score",
    [*((text, len(text)) for text, _ in GOOD), ("a", "high")],
    *("numbers", "'high' in 1 row"),
    more=("task.problem=regression", "data.split.validation=null"),
)
case(
    "scores-that-are-kept-back",
    _kept_back,
    *("`data.columns.label`", "two scores", "9 rows of the test split", "data.split.test=null"),
)
table(
    "labels-apart-by-another-sign",
    [(text, "a|b" if number % 2 else "b") for number, (text, _) in enumerate(GOOD)],
    *("`task.label_separator`", "','", "'a|b'", """'task.label_separator="|"'"""),
    more=("task.problem=multi_label",),
)
table(
    "label-outside-the-declared",
    GOOD,
    *("2 classes (file, number)", "'word'", "data.clean.drop_stray_labels=true"),
    more=("task.labels=[file,number]",),
)
case(
    "label-that-train-does-not-have",
    _held_out,
    *("`data.columns.label`", "the validation split has 'wrod' in 2 rows", "did you mean word?"),
)
key(
    "label-column-missing", "data.columns.label=lable", "`data.columns.label`", "it has text, label"
)
key("pair-column-missing", "data.columns.text_pair=b", "`data.columns.text_pair`", "text, label")
key("label-is-the-text", "data.columns.label=text", "`data.columns.label`", "`data.columns.text`")
key("weights-too-few", "task.class_weights=[1.0,2.0]", "`task.class_weights`", "3 classes", "has 2")
key("weight-of-zero", "task.class_weights=[1.0,2.0,0.0]", "`task.class_weights`", "above 0")
key("binary-of-three", "task.average=binary", "`task.average`", "macro", "there are 3")
key("a-single-label", "task.labels=[file]", "`task.labels`", "a list of at least 2", '["file"]')
key("labels-twice", "task.labels=[file,word,file]", "`task.labels`", "'file'")
key(
    "labels-of-scores",
    "task.labels=[file,word]",
    *("`task.labels`", "null", "task.problem=regression"),
    more=("task.problem=regression",),
)
key("decay-of-none", "task.layer_decay=0", "`task.layer_decay`", "above 0", "is 0")
key(
    "decay-of-frozen",
    "task.layer_decay=0.5",
    *("`task.layer_decay`", "is 0.5"),
    more=("task.freeze_encoder=true",),
)
key("metric-of-another-problem", "trainer.metric_for_best_model=eval_pearson", "eval_pearson")
case("decoder-for-classes", _decoder, "`model.name_or_path`", "an encoder", "'t5'")
case("packing-for-another-make", _shared_layers, "`data.packing` must be none", "'albert'")
