"""What a run says of its data: the lines, the remarks with what to type, the files."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from electralab.cli import main
from electralab.data.looking import FEW, describe
from electralab.data.tally import Tally
from electralab.running.data_report import in_words, keep, lines, remarks
from electralab.running.pictures import draw_data
from electralab.tracking.run import TrackedRun
from electralab.tracking.store import Store
from tests.conftest import TINY


def lengths(top: int = 60, limit: int | None = None, truncated: int = 0) -> dict:
    values = np.arange(1, top + 1, dtype=np.int32)
    enough = Tally(values).enough(FEW)
    return describe(values) | {"limit": limit, "truncated": truncated, "enough": enough}


def split(**changes) -> dict:
    seen = {
        "examples": 1000,
        "empty": 0,
        "duplicates": 0,
        "characters": {"text": describe(np.arange(1, 400, dtype=np.int32))},
        "special_tokens": True,
        "tokens": {"row": lengths(limit=64)},
        "classes": {"negative": 480, "positive": 520},
    }
    return seen | changes


def said(train=None, **others) -> list[str]:
    return remarks({"train": split(**(train or {})), **others})


def test_sound_data_are_not_remarked_on():
    assert said() == []
    assert said(validation=split(in_train=0)) == []


def test_texts_that_are_trained_on_and_measured_on():
    [line] = said(validation=split(examples=200, in_train=31), test=split(in_train=0))
    assert "31 of 200 validation examples (15.5 %)" in line
    assert "data.clean.drop_duplicates=true" in line


@pytest.mark.parametrize(("duplicates", "count"), [(200, 0), (201, 1)])
def test_more_than_a_fifth_of_duplicates(duplicates, count):
    found = said({"duplicates": duplicates})
    assert len(found) == count
    assert all("data.clean.drop_duplicates=true" in line for line in found)


@pytest.mark.parametrize(("truncated", "count"), [(10, 0), (11, 1)])
def test_more_than_a_hundredth_cut_off(truncated, count):
    found = said({"tokens": {"row": lengths(100, limit=64, truncated=truncated)}})
    assert len(found) == count
    # 99 of the lengths 1 to 100 fit into 104, the next multiple of 8.
    assert all("1.1 % " in line and "data.max_length=104 " in line for line in found)


def test_the_length_that_is_advised_is_above_the_one_that_cuts():
    """One of sixty is more than a hundredth, and an interpolated percentile lies below it."""
    values = np.r_[np.arange(1, 60), 49].astype(np.int32)
    seen = {"limit": 48, "truncated": 11, "enough": Tally(values).enough(FEW)}
    [line] = said({"examples": 60, "classes": {}, "tokens": {"row": describe(values) | seen}})
    assert "cut off at 48 tokens: data.max_length=64 would cut less than 1 %" in line


def test_held_out_examples_of_one_class_are_remarked_on():
    one = split(examples=20, classes={"negative": 0, "positive": 20})
    [line] = said(validation=one)
    assert "all 20 validation examples are of class positive" in line


def test_what_is_cut_off_is_named_by_its_own_key_and_no_length_is_beyond_models():
    sides = {"source": lengths(50, 128), "target": lengths(90, 64, truncated=300)}
    [line] = said({"tokens": sides})
    assert "30.0 %" in line and "data.max_target_length=" in line
    [line] = said({"tokens": {"row": lengths(5000, 128, truncated=900)}})
    assert "data.max_length=512 would cut fewer" in line
    assert said({"tokens": {"row": lengths(5000, 512, truncated=900)}}) == []


@pytest.mark.parametrize(
    ("classes", "named"),
    [
        ({"a": 990, "b": 10}, None),
        ({"a": 991, "b": 9}, "class b: 9 of 1,000"),
        ({"a": 995, "b": 3, "c": 2}, "class c and 1 more: 2 of 1,000"),
        ({str(number): 5 for number in range(200)}, None),  # an even share of 200 classes
        ({"0": 0, **{str(number): 5 for number in range(1, 201)}}, "class 0: 0 of 1,000"),
    ],
)
def test_classes_that_are_hardly_there(classes, named):
    found = said({"classes": classes})
    assert len(found) == (named is not None)
    assert all(named in line and "task.class_weights=balanced" in line for line in found)


def test_labels_that_stand_together_have_no_weights():
    [line] = said({"classes": {"a": 990, "b": 400, "c": 2}})
    assert "class c: 2 of 1,000" in line and "eval_f1_macro" in line
    assert "class_weights" not in line


def prepared(tmp_path, splits: dict) -> SimpleNamespace:
    number = {name: seen["examples"] for name, seen in splits.items()}
    report = {
        "documents": {"read": 1234, **number},
        "dropped": {"without_tokens": 0, "stray_label": 34},
        "tokens": dict.fromkeys(splits, 20_000),
        "rows": number,
        "vocab_size": 300,
        "splits": splits,
    }
    return SimpleNamespace(report=report, folder=tmp_path, from_cache=False, fingerprint="f" * 64)


def test_the_lines_are_few_and_say_what_was_dropped(tmp_path):
    shown = lines(prepared(tmp_path, {"train": split(), "validation": split(in_train=5)}))
    assert shown[0] == "data   1,234 documents (dropped: 34 stray label)"
    text = "\n".join(shown)
    assert "characters 1 to 399, median 200, mean 200.0" in text
    assert "tokens     1 to 60, median 30.5, mean 30.5; 0.0 % cut off at 64" in text
    assert "2 classes  positive 52.0 %, negative 48.0 %" in text
    assert shown[-1].startswith("  !    5 of 1,000 validation") and len(shown) == 7
    assert not any(line.split()[0] in ("duplicates", "empty") for line in shown)
    seen = split(duplicates=21, empty=1)
    text = "\n".join(lines(prepared(tmp_path, {"train": seen})))
    assert "duplicates 21 (2.1 %)" in text and "empty      1 (0.1 %)" in text


@pytest.mark.parametrize(
    ("kind", "texts", "filled", "line"),
    [
        ("separate", 5.93, 0.9841, "packing separate, 5.9 texts a row, 98.4 % filled"),
        ("concat", 0.0421, 1, "packing concat, 0.042 texts a row, 100.0 % filled"),
        ("none", 1, 0.1716, "packing none, 1 text a row, 17.2 % of data.max_length filled"),
    ],
)
def test_a_line_says_how_full_rows_are(tmp_path, kind, texts, filled, line):
    data = prepared(tmp_path, {"train": split()})
    data.report["packing"] = {"kind": kind, "train": {"texts_a_row": texts, "filled": filled}}
    assert f"       {line}" in lines(data)


def test_of_many_classes_the_ends_are_named(tmp_path):
    classes = {f"c{number}": number for number in range(30, 60)}
    text = "\n".join(lines(prepared(tmp_path, {"train": split(classes=classes)})))
    assert "30 classes  c59 5.9 %, c58 5.8 %, …, c31 3.1 %, c30 3.0 %" in text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1234567, "1,234,567"),
        (27.0, "27"),
        (0.123456, "0.1235"),
        (3577.5, "3,577.5"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_have_as_many_digits_as_one_reads(number, words):
    assert in_words(number) == words


CASES = {
    "one": {"train": split()},
    "three": {"train": split(), "validation": split(in_train=1), "test": split(in_train=0)},
    "blocks": {"train": split(classes={}, tokens={"row": lengths()})},
    "sides": {
        "train": split(
            characters={"source": lengths(), "target": lengths(9)},
            tokens={"source": lengths(limit=16, truncated=3), "target": lengths(limit=16)},
        )
    },
    "korean": {"train": split(classes={"혐오": 400, "모욕$": 300, "없음" * 40: 300})},
    "many": {"train": split(classes={f"c{n}": n for n in range(77)}), "test": split(in_train=0)},
    "scores": {"train": split(scores=describe(np.linspace(0, 5, 300)))},
}


@pytest.mark.parametrize("case", CASES)
def test_a_picture_has_a_panel_for_each_part_and_warns_of_nothing(tmp_path, case, recwarn):
    splits = {
        name: {part: found for part, found in seen.items() if found != {}}
        for name, seen in CASES[case].items()
    }
    draw_data(splits, tmp_path / "data.png")
    height, width, _ = imread(tmp_path / "data.png").shape
    assert not list(recwarn)
    train = splits["train"]
    panels = len(train["characters"]) + len(train["tokens"])
    panels += ("classes" in train) + ("scores" in train)
    columns, rows = {2: (2, 1), 3: (3, 1), 4: (2, 2), 5: (3, 2)}[panels]
    assert width == pytest.approx(columns * 484, abs=2)
    assert height == pytest.approx(rows * 352, abs=2)


def test_the_picture_is_drawn_once_for_all_runs_with_the_same_data(tmp_path, monkeypatch):
    data = prepared(tmp_path, {"train": split()})
    run = TrackedRun(store=Store(mode="off"), run_id="x")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        keep(data, run=run, folder=tmp_path / name)
        monkeypatch.setattr("electralab.running.pictures.draw_data", None)
    one, two = ((tmp_path / name / "data.png").read_bytes() for name in ("one", "two"))
    assert one == two
    found = json.loads((tmp_path / "two" / "data.json").read_text())
    assert found["splits"]["train"]["examples"] == 1000 and found["fingerprint"] == "f" * 64
    assert not list(tmp_path.glob("*.tmp"))


def test_a_run_keeps_its_report_in_its_folder_and_in_the_store(here, capsys):
    text = "the path of a file is returned as text if it can be read\n"
    (here / "a.txt").write_text(text * 60 + "".join(f"number {n} {text}" for n in range(60)))
    assert main(["data=text", "data.path=a.txt", *TINY, "trainer.max_steps=1"]) == 0
    [run] = (here / "outputs" / "rtd").iterdir()
    found = json.loads((run / "data.json").read_text())
    assert found["documents"]["read"] == 120
    assert found["splits"]["train"]["duplicates"] > 40
    shown = capsys.readouterr().err
    for place in (shown, (run / "run.log").read_text()):
        assert "validation examples" in place and "are duplicates" in place
    assert imread(run / "data.png").shape[0] > 100

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{here}/outputs/mlflow.db")
    run_id = json.loads((run / "run.json").read_text())["run_id"]
    assert {"data.json", "data.png"} <= {item.path for item in client.list_artifacts(run_id)}
