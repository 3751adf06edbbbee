"""How labelled examples become rows, and what is said of labels that cannot be used."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from electralab.checking.classification_checks import unfit
from electralab.checking.nearest import nearest
from electralab.data.labels import (
    class_name,
    declared_names,
    lookalikes,
    number,
    ordered,
    parts,
    value_of,
)
from electralab.data.tokenise import tokenise
from electralab.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from electralab.config import DataConfig
    from electralab.data.sources import Documents
    from electralab.task_config import ClassificationConfig

MOST_CLASSES = 1000  # more than that are no classes, unless they are declared
FEW = 20  # so many different labels are classes, however few rows there are
SEPARATORS = "|;,"  # signs that stand between labels rather than in one
SHOWN = 5  # wrong labels that a message names
BATCH = 10_000
_SEVERAL = "set task.problem=multi_label, or choose another column"


class LabelEncoder:
    """Turns examples with a label, several labels or a score into rows.

    Args:
        config: The keys of `task`.
        data: The keys of `data`.
    """

    def __init__(self, *, config: ClassificationConfig, data: DataConfig) -> None:
        self.config = config
        self.problem = config.problem
        self.separator = config.label_separator
        self.declared = None if config.labels is None else declared_names(config.labels)
        self.max_length = data.max_length
        # csv has no other way to say it; all other formats have empty lists and texts.
        self.null_is_none = config.problem == "multi_label" and data.source == "csv"
        self.key = f"`data.columns.label` ({data.columns.label})"
        self.settings = {
            "task": "classification",
            "problem": config.problem,
            "labels": self.declared,
            "separator": config.label_separator if config.problem == "multi_label" else None,
        }
        if self.null_is_none:
            self.settings["null"] = []

    def learn(self, documents: Documents) -> dict[str, Any]:
        """Returns the ``labels``, the names of the classes in the order of their ids.

        They are those that are declared, else those of the source, else those of the train split;
        none where the label is a score.

        Raises:
            UserError: What stands there are no classes, or others than `task` has keys for.
        """
        if self.problem == "regression":
            return {"labels": []}
        names = self.declared or list(documents.label_names or ()) or self._found(documents)
        if problems := [*unfit(self.config, names)]:
            raise UserError(problems)
        return {"labels": names}

    def _found(self, documents: Documents) -> list[str]:
        """Returns the classes of the train split."""
        table = documents.tables["train"]
        names: Counter[str] = Counter()
        fractions = []
        rows = 0
        for label, count in _counts(table).items():
            value = value_of(label)
            rows += count
            self._check_kind(value)
            for name in self._names(value):
                names[name] += count
                if (found := number(value)) is not None and not found.is_integer():
                    fractions.append(name)
        if fractions:
            raise UserError(
                f"{self.key} must hold classes, but holds fractions, such as {fractions[0]}; set "
                "task.problem=regression, or declare the classes in `task.labels`."
            )
        if (pair := lookalikes(names)) is not None:
            one, other = (f"{name!r} ({names[name]:,} rows)" for name in pair)
            raise UserError(
                f"{self.key} must hold labels that differ by more than blanks or case, but holds "
                f"{one} and {other}; mend the data, or declare the classes in `task.labels` and "
                "set data.clean.drop_stray_labels=true."
            )
        self._check_number(len(names), rows)
        self._check_separator(names, rows)
        return ordered(names)

    def stray(self, label: str | None, facts: dict[str, Any]) -> bool:
        """Says whether a label is, or holds, none of the classes; or is no score."""
        if label is None:
            return False
        value = value_of(label)
        if self.problem == "regression":
            return number(value) is None
        if self.problem == "single_label" and isinstance(value, list):
            return True
        known = _ids(facts)
        return any(class_name(name) not in known for name in self._names(value))

    def check(self, split: str, table: Dataset, facts: dict[str, Any]) -> None:
        """Refuses labels that are no classes or scores, and a split in which there is but one.

        Of classes, that may be so in a split that is not trained on.

        Raises:
            UserError: With the labels, and in how many rows they stand.
        """
        counts = _counts(table)
        wrong = {label: n for label, n in counts.items() if self.stray(label, facts)}
        if wrong:
            raise UserError(self._wrong(split, Counter(wrong), facts))
        if self.problem == "multi_label":
            few = split == "train" and len(facts["labels"]) < 2
        elif split == "train" or self.problem == "regression":
            few = len({self._meaning(label) for label in counts}) < 2
        else:
            few = False
        if few:
            rows, (label, *_) = sum(counts.values()), counts
            kind = "scores" if self.problem == "regression" else "classes"
            advice = (
                "choose another column, or give more data"
                if split == "train"
                else f"choose another split or a larger share, or data.split.{split}=null"
            )
            raise UserError(
                f"{self.key} must hold at least two {kind}, but all {rows:,} rows of the {split} "
                f"split hold {_shown(label)}; {advice}."
            )

    def encode(
        self,
        batch: dict[str, list[Any]],
        *,
        tokenizer: PreTrainedTokenizerBase,
        facts: dict[str, Any],
    ) -> dict[str, list[Any]]:
        """Returns the ids of the texts, and ``labels``: a class id, some of them, or a score."""
        columns = tokenise(
            batch["text"], batch.get("text_pair"), tokenizer=tokenizer, max_length=self.max_length
        )
        values = [self._value(label) for label in batch["label"]]
        if self.problem == "regression":
            return {**columns, "labels": [number(value) for value in values]}
        known = _ids(facts)
        ids = [[known[class_name(name)] for name in self._names(value)] for value in values]
        if self.problem == "single_label":
            return {**columns, "labels": [one for (one,) in ids]}
        # As arrays, whose type is known of empty ones too.
        return {**columns, "labels": [np.array(sorted(row), dtype=np.int32) for row in ids]}

    def classes(self, label: str | None, facts: dict[str, Any]) -> list[str] | float:
        """Returns the names of an example's classes, or its score."""
        value = self._value(label)
        if self.problem == "regression":
            score = number(value)
            assert score is not None, label  # `check` has seen it
            return score
        known = _ids(facts)
        found = [known.get(class_name(name)) for name in self._names(value)]
        return [facts["labels"][number] for number in found if number is not None]

    @staticmethod
    def _value(label: str | None) -> Any:
        return [] if label is None else value_of(label)

    def _check_kind(self, value: Any) -> None:
        if self.problem == "single_label" and isinstance(value, list):
            raise UserError(
                f"{self.key} must hold a label a row, but holds lists, such as {value}; {_SEVERAL}."
            )

    def _check_separator(self, names: Counter[str], rows: int) -> None:
        if self.problem != "multi_label" or names.total() > rows:
            return
        joined = next((name for name in names if any(sign in name for sign in SEPARATORS)), None)
        if joined is not None:
            sign = next(sign for sign in SEPARATORS if sign in joined)
            raise UserError(
                f"{self.key} must hold labels apart by `task.label_separator`, but no row has more "
                f"than one by {self.separator!r}, and one is {joined!r}; set "
                f"'task.label_separator=\"{sign}\"', or declare the classes in `task.labels`."
            )

    def _check_number(self, different: int, rows: int) -> None:
        most = MOST_CLASSES
        if self.problem == "single_label":
            most = min(most, max(FEW, rows // 2))
        if different > most:
            raise UserError(
                f"{self.key} must hold classes, but {different:,} different ones stand in "
                f"{rows:,} rows; choose another column, set task.problem=regression for scores, "
                "or declare the classes in `task.labels`."
            )

    def _names(self, value: Any) -> list[str]:
        if self.problem == "multi_label":
            return parts(value, separator=self.separator)
        return [class_name(value)]

    def _meaning(self, label: str) -> Any:
        value = value_of(label)
        return number(value) if self.problem == "regression" else class_name(value)

    def _wrong(self, split: str, wrong: Counter[str], facts: dict[str, Any]) -> str:
        found = [f"{_shown(label)} in {_rows(n)}" for label, n in wrong.most_common(SHOWN)]
        if len(wrong) > SHOWN:
            found.append(f"{len(wrong) - SHOWN:,} others")
        where = f"the {split} split has {', '.join(found)}"
        if self.problem == "regression":
            return (
                f"{self.key} must hold numbers, but {where}; mend the data, or drop such rows with "
                "data.clean.drop_stray_labels=true."
            )
        label = value_of(next(iter(wrong.most_common(1)))[0])
        if self.problem == "single_label" and isinstance(label, list):
            return f"{self.key} must hold a label a row, but {where}; {_SEVERAL}."
        names = facts["labels"]
        known = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        near = nearest(label, names) if isinstance(label, str) else None
        hint = f" (did you mean {near}?)" if near else ""
        return (
            f"{self.key} must hold one of the {len(names):,} classes ({known}), but {where}{hint}; "
            "drop such rows with data.clean.drop_stray_labels=true, or declare all classes in "
            "`task.labels`."
        )


def _counts(table: Dataset) -> Counter[str]:
    """Returns how often each label stands in a table, without those that are null."""
    counts: Counter[str] = Counter()
    labels = table.select_columns("label")
    for start in range(0, len(labels), BATCH):
        counts.update(labels[start : start + BATCH]["label"])
    counts.pop(None, None)
    return counts


def _ids(facts: dict[str, Any]) -> dict[str, int]:
    return {class_name(name): number for number, name in enumerate(facts["labels"])}


def _shown(label: str) -> str:
    return repr(value_of(label))


def _rows(number: int) -> str:
    return f"{number:,} row" + ("s" if number > 1 else "")
