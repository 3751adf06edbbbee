"""Names of classes: what is the same in every file format, and in which order they stand."""

from __future__ import annotations

from collections import Counter

import pytest

from electralab.data.labels import class_name, declared_names, lookalikes, number, ordered, parts


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1, 1.0, "1", "1.0"], "1"),
        ([-1, "-1", -1.0, "-1.00"], "-1"),
        ([True, "true", "True", "TRUE"], "true"),
        ([False, "false", "False"], "false"),
        ([2.5, "2.5"], "2.5"),
        (["yes"], "yes"),
        (["긍정"], "긍정"),
        (["yes "], "yes "),
        (["007"], "007"),
    ],
)
def test_a_class_has_one_name_whatever_the_format(values, name):
    assert {class_name(value) for value in values} == {name}


def test_what_is_declared_as_text_keeps_its_letters():
    assert declared_names(["True", "1.0", True, 0]) == ["True", "1.0", "true", "0"]


def test_numbers_stand_by_value_and_false_before_true():
    assert ordered(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert ordered(["true", "false"]) == ["false", "true"]
    assert ordered(["b", "10", "a", "9"]) == ["9", "10", "a", "b"]


def test_scores_are_finite_numbers_or_their_texts():
    assert [number(value) for value in (3, 2.5, "2.5", "1e3", " 4 ")] == [3, 2.5, 2.5, 1000, 4]
    for value in (True, "high", "", "nan", "inf", float("inf"), [1], "1" * 400 + "e9999"):
        assert number(value) is None, value


def test_several_labels_are_a_list_or_a_text_with_separators():
    assert parts("a, b ,,c,a", separator=",") == ["a", "b", "c"]
    assert parts(["a", "b,c", 1, True], separator=",") == ["a", "b,c", "1", "true"]
    assert parts("a|b", separator="|") == ["a", "b"]
    assert parts([], separator=",") == [] and parts(7, separator=",") == ["7"]


def test_names_that_differ_by_blanks_or_case_are_found():
    assert lookalikes(Counter({"yes ": 2, "yes": 9, "no": 5})) == ("yes", "yes ")
    assert lookalikes(Counter({"Yes": 3, "yes": 2})) == ("Yes", "yes")
    assert lookalikes(Counter({"not  good": 1, "not good": 2})) == ("not good", "not  good")
    assert lookalikes(Counter({"yes": 3, "no": 2, "1": 4})) is None


def test_digits_without_end_are_a_name_and_not_a_number():
    digits = "9" * 5000  # more than Python turns into a number
    assert class_name(digits) == digits
    assert ordered([digits, "2", "10", "1٣"]) == ["2", "10", "1٣", digits]
