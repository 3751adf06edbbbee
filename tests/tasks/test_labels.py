"""Labels: the classes are found, named and ordered, and what are no classes is refused."""

from __future__ import annotations

import pytest

from electralab.errors import UserError
from electralab.tasks.labels import LabelEncoder
from tests.tasks.classifying import config, data_config, documents, tokenizer


def encoder(**keys) -> LabelEncoder:
    return LabelEncoder(config=config(**keys), data=data_config(max_length=16))


def learn(labels: dict[str, list], /, *, names=None, **keys) -> dict:
    """Returns the facts of documents that are accepted in every split."""
    made, found = encoder(**keys), documents(labels, label_names=names)
    facts = made.learn(found)
    for split, table in found.tables.items():
        made.check(split, table, facts)
    return facts


def refused(labels: dict[str, list], /, *said: str, **keys) -> None:
    with pytest.raises(UserError) as error:
        learn(labels, **keys)
    [line] = error.value.problems
    assert line.startswith("`data.columns.label` (label) must hold")
    assert [part for part in said if part not in line] == [], line


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([10, 9, 9], ["9", "10"]),
        (["10", "9", "9.0"], ["9", "10"]),
        ([True, False], ["false", "true"]),
        (["True", "False", "true"], ["false", "true"]),
        (["pos", "neg", None], ["neg", "pos"]),
        ([f"{number}" for number in range(77)] * 3, [f"{number}" for number in range(77)]),
    ],
)
def test_the_classes_are_those_of_the_train_split_in_order(values, names):
    assert learn({"train": values})["labels"] == names


def test_declared_classes_keep_their_order_and_match_by_text():
    csv = {"train": ["1", "0", "1.0"], "validation": [1, 0.0]}
    assert learn(csv, labels=[1, 0])["labels"] == ["1", "0"]
    assert learn({"train": ["True", "FALSE"]}, labels=[True, False])["labels"] == ["true", "false"]
    assert learn({"train": ["US", "us"]}, labels=["us", "US"])["labels"] == ["us", "US"]


def test_the_names_of_the_source_come_in_its_order():
    names = ("not_equivalent", "equivalent")
    assert learn({"train": ["equivalent", "not_equivalent"]}, names=names)["labels"] == [*names]


def test_ids_follow_the_order_and_names_come_back():
    made = encoder(labels=["b", "a", "c"])
    facts = made.learn(documents({"train": ["a"]}))
    batch = {"text": ["x", "y", "z"], "label": ['"a"', '"b"', '"c"']}
    rows = made.encode(batch, tokenizer=tokenizer(), facts=facts)
    assert rows["labels"] == [1, 0, 2]
    assert [made.classes(label, facts) for label in batch["label"]] == [["a"], ["b"], ["c"]]


def test_labels_that_differ_by_blanks_or_case():
    refused({"train": ["yes"] * 9 + ["yes "] * 2 + ["no"]}, "'yes' (9 rows)", "'yes ' (2 rows)")
    refused({"train": ["Yes", "yes", "no"]}, "'Yes' (1 rows)", "'yes' (1 rows)")


def test_one_class_only():
    refused({"train": ["yes"] * 12}, "two classes", "all 12 rows of the train split", "'yes'")
    refused({"train": ["a"] * 3, "validation": ["b"]}, "'a'", labels=["a", "b"])
    learn({"train": ["a", "b"], "validation": ["b", "b"]})


def test_a_label_that_train_does_not_have_is_named_with_its_split_and_rows():
    labels = {"train": ["pos", "neg"], "validation": ["pos", "pso", "pso", "neutral"]}
    refused(
        labels,
        *("2 classes (neg, pos)", "the validation split has 'pso' in 2 rows, 'neutral' in 1 row"),
        *("did you mean pos?", "data.clean.drop_stray_labels=true", "`task.labels`"),
    )


def test_stray_labels_are_told_so_that_they_can_be_dropped():
    made = encoder(labels=["a", "b"])
    facts = made.learn(documents({"train": []}))
    strays = [made.stray(label, facts) for label in ('"a"', '"c"', None, '["a"]')]
    assert strays == [False, True, False, True]
    many = encoder(labels=["a", "b"], problem="multi_label")
    assert [many.stray(label, facts) for label in ('["a"]', '"b,c"', "[]")] == [False, True, False]
    scores = encoder(problem="regression")
    assert [scores.stray(label, facts) for label in ("1.5", '"2"', '"n/a"', "true")] == [
        *(False, False, True, True),
    ]


def test_numbers_with_fractions_are_scores():
    refused({"train": [0.5, 1.25, 3.0]}, "fractions", "0.5", "task.problem=regression")
    refused({"train": ["1", "2.75"]}, "2.75", "task.problem=regression")
    assert learn({"train": ["1.5", "2.5"]}, labels=["1.5", "2.5"])["labels"] == ["1.5", "2.5"]


def test_a_column_of_which_nearly_every_row_differs_is_no_label():
    refused({"train": list(range(40))}, "40 different ones stand in 40 rows", "regression")
    refused({"train": [number % 1001 for number in range(5000)]}, "1,001 different")
    learn({"train": list(range(20))})
    learn({"train": [number % 1000 for number in range(5000)]})


def test_lists_are_several_labels():
    refused({"train": [["a", "b"], ["c"]]}, "lists", "task.problem=multi_label")
    refused({"train": ["a", ["a", "b"]]}, "task.problem=multi_label", labels=["a", "b"])


def test_several_labels_from_lists_and_texts():
    made = encoder(problem="multi_label", label_separator="|")
    found = documents({"train": [["b", "a"], "c | a|", [], "b"]})
    facts = made.learn(found)
    made.check("train", found.tables["train"], facts)
    assert facts["labels"] == ["a", "b", "c"]
    batch = found.tables["train"][:]
    rows = made.encode(batch, tokenizer=tokenizer(), facts=facts)
    assert [row.tolist() for row in rows["labels"]] == [[0, 1], [0, 2], [], [1]]
    assert made.classes('["b", "a"]', facts) == ["b", "a"]


def test_an_empty_cell_of_several_labels_is_an_example_without_any():
    """Csv has nothing else to say it by; the other formats have empty lists, and nulls."""
    made = encoder(problem="multi_label")
    assert made.null_is_none and made.settings["null"] == []
    found = documents({"train": ["a,b", None, "b"]})
    facts = made.learn(found)
    made.check("train", found.tables["train"], facts)
    rows = made.encode(found.tables["train"][:], tokenizer=tokenizer(), facts=facts)
    assert [row.tolist() for row in rows["labels"]] == [[0, 1], [], [1]]
    assert made.classes(None, facts) == []
    table = data_config(source="json")
    for other in (
        encoder(),
        encoder(problem="regression"),
        LabelEncoder(config=config(problem="multi_label"), data=table),
    ):
        assert not other.null_is_none and "null" not in other.settings


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"average": "binary"}, "`task.average` must be macro or null where there are not two"),
        (
            {"class_weights": [1.0, 2.0]},
            "`task.class_weights` must have a weight for each of the 3",
        ),
    ],
)
def test_keys_that_the_classes_do_not_fit_are_refused_before_rows_are_made(keys, line):
    with pytest.raises(UserError) as error:
        encoder(**keys).learn(documents({"train": ["a", "b", "c"]}))
    assert [problem.startswith(line) for problem in error.value.problems] == [True]
    assert encoder(**keys).learn(documents({"train": ["a", "b"]}))


def test_scores_come_as_numbers_or_their_texts():
    made = encoder(problem="regression")
    found = documents({"train": ["1.5", 2, "3e0", None]})
    facts = made.learn(found)
    made.check("train", found.tables["train"], facts)
    batch = found.tables["train"].select(range(3))[:]
    assert made.encode(batch, tokenizer=tokenizer(), facts=facts)["labels"] == [1.5, 2.0, 3.0]
    assert facts == {"labels": []} and made.classes('"1.5"', facts) == 1.5


def test_what_is_no_number_is_no_score():
    said = ("numbers", "the test split has 'high' in 2 rows", "drop_stray_labels")
    refused({"train": [1, 2], "test": [1, "high", "high"]}, *said, problem="regression")
    refused({"train": [3, 3.0, "3"]}, "two scores", "all 3 rows", problem="regression")


def test_what_rows_depend_on_is_in_the_settings():
    one = encoder().settings
    for keys in ({"labels": ["a", "b"]}, {"problem": "regression"}, {"problem": "multi_label"}):
        assert encoder(**keys).settings != one
    assert encoder(class_weights="balanced", layer_decay=0.8).settings == one
