"""Each preset reads a local folder or file of the shape that its source has."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import yaml

from electralab.config import DataConfig
from electralab.data.peek import problems
from electralab.data.roles import columns
from electralab.data.sources import read

PRESETS = files("electralab.conf") / "data"
EMBEDDED = {"python_docs", "python_docs_library", "python_docs_pairs", "ui_strings_enfr"}
BARE = {"keys", "text", "csv", "json", "parquet", "moses", "hub"}  # a kind of file, no data set


def preset(option, /, **values) -> DataConfig:
    """The node `data` as `data=OPTION` composes it."""
    node = yaml.safe_load((PRESETS / "keys.yaml").read_text())
    for key, value in (yaml.safe_load((PRESETS / f"{option}.yaml").read_text()) | values).items():
        if isinstance(value, dict):
            assert set(value) <= set(node[key]), key
            node[key] |= value
        else:
            assert key in node
            node[key] = value
    return DataConfig.model_validate(node)


SINGLE, PAIR = ("sentence", None), ("sentence1", "sentence2")
ENTAILMENT = ["entailment", "not_entailment"]
GLUE = {
    "mrpc": (PAIR, ["not_equivalent", "equivalent"]),
    "cola": (SINGLE, ["unacceptable", "acceptable"]),
    "sst2": (SINGLE, ["negative", "positive"]),
    "qqp": (("question1", "question2"), ["not_duplicate", "duplicate"]),
    "stsb": (PAIR, None),
    "qnli": (("question", "sentence"), ENTAILMENT),
    "rte": (PAIR, ENTAILMENT),
    "wnli": (PAIR, ["not_entailment", "entailment"]),
    "mnli": (("premise", "hypothesis"), ["entailment", "neutral", "contradiction"]),
}
KEPT_BACK = set(GLUE) - {"mrpc"}
FILES = {
    "nsmc": {
        "ratings_train.txt": 'id\tdocument\tlabel\n1\t"좋아요\t1\n2\t\t0\n',
        "ratings_test.txt": "id\tdocument\tlabel\n3\t별로\t0\n",
    },
    "korean_hate": {
        f"korean-hate-speech/labeled/{name}.tsv": (
            "comments\tcontain_gender_bias\tbias\thate\n글\tFalse\tnone\toffensive\n"
        )
        for name in ("train", "dev")
    },
    "kde4": {"KDE4.en-fr.en": "Close\n", "KDE4.en-fr.fr": "Fermer\n", "KDE4.en-fr.ids": "x\n"},
    "book_blurbs": {
        "book_train_128.csv": ',sen\n0,"책, 한 권"\n',
        "book_validation_128.csv": ",sen\n0,또 한 권\n",
    },
}
HUB = {*GLUE, "eli5_category", "korean_sarcasm"}


def test_every_preset_is_read_here_or_is_embedded():
    there = {path.name.removesuffix(".yaml") for path in PRESETS.iterdir() if ".yaml" in path.name}
    assert there == HUB | set(FILES) | EMBEDDED | BARE


def hub_folder(folder, subset, splits, features):
    """A folder of Parquet files with a card, as data sets of the hub are stored."""
    from datasets import Dataset

    place = folder / (subset or "data")
    place.mkdir(parents=True)
    listed = []
    for split, rows in splits.items():
        name = f"{split}-00000-of-00001.parquet"
        Dataset.from_list(rows, features=features).to_parquet(str(place / name))
        listed.append({"split": split, "path": f"{place.name}/{split}-*"})
    card = {"configs": [{"config_name": subset or "default", "data_files": listed}]}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# A data set\n")
    return str(folder)


@pytest.mark.parametrize("name", GLUE)
def test_glue(tmp_path, name):
    from datasets import ClassLabel, Features, Value

    (first, second), names = GLUE[name]
    texts = [first] if second is None else [first, second]
    label = ClassLabel(names=names) if names else Value("float32")
    features = Features({text: Value("string") for text in texts} | {"label": label})
    features["idx"] = Value("int32")

    def rows(labels):
        return [{t: f"{t} {n}" for t in texts} | {"label": v, "idx": n} for n, v in labels]

    values = [0, 1, 1] if names else [0.0, 2.5, 5.0]
    kept_back = [-1 if names else -1.0] if name in KEPT_BACK else [0]
    held = ["validation_matched", "validation_mismatched"] if name == "mnli" else ["validation"]
    splits = {"train": rows(enumerate(values)), "test": rows(enumerate(kept_back))}
    splits |= {split: rows(enumerate(values[:1])) for split in held}
    folder = hub_folder(tmp_path / "glue", name, splits, features)

    data = preset(name, name=folder)
    assert preset(name).name == "nyu-mll/glue"
    roles = columns("classification", data)
    assert problems(data, columns=roles) == []
    documents = read(data, columns=roles, cache_dir=tmp_path / "cache")
    expected = [json.dumps(names[value] if names else value) for value in values]
    train = documents.tables["train"]
    assert train["label"][:] == expected
    assert train["text"][0] == f"{first} 0"
    assert ("text_pair" in train.column_names) == (second is not None)
    assert documents.label_names == (tuple(names) if names else None)
    assert documents.tables["validation"]["label"][:] == expected[:1]
    measured = {"mrpc": "test", "mnli": "validation_mismatched"}.get(name)
    assert data.split.test == measured
    assert ("test" in documents.tables) == (measured is not None)


def test_classes_that_are_kept_back_are_no_label(tmp_path):
    from datasets import ClassLabel, Features, Value

    label = ClassLabel(names=["no", "yes"])
    features = Features({"sentence": Value("string"), "label": label})
    rows = {"train": [{"sentence": "a", "label": 1}], "validation": [{"sentence": "b", "label": 0}]}
    rows["test"] = [{"sentence": "c", "label": -1}, {"sentence": "d", "label": None}]
    folder = hub_folder(tmp_path / "glue", "cola", rows, features)
    data = preset("cola", name=folder, split={"validation": "validation", "test": "test"})
    roles = columns("classification", data)
    tables = read(data, columns=roles, cache_dir=tmp_path / "cache").tables
    assert tables["test"]["label"][:] == [None, None]
    assert tables["validation"]["label"][:] == ['"no"']


def test_a_list_of_classes(tmp_path):
    from datasets import ClassLabel, Features, List, Value

    features = Features({"text": Value("string"), "label": List(ClassLabel(names=["a", "b"]))})
    rows = [{"text": "x", "label": [0, 1]}, {"text": "y", "label": []}, {"text": "z", "label": [1]}]
    folder = hub_folder(tmp_path / "set", None, {"train": rows}, features)
    data = preset("hub", name=folder)
    roles = {"text": "text", "label": "label"}
    documents = read(data, columns=roles, cache_dir=tmp_path / "cache")
    assert documents.tables["train"]["label"][:] == ['["a", "b"]', "[]", '["b"]']
    assert documents.label_names == ("a", "b")


def test_columns_of_text_change_their_names_and_no_file_is_written(tmp_path):
    from datasets import Features, Value

    features = Features({"source": Value("string"), "target": Value("string")})
    rows = [{"source": "of source", "target": "of target"}]
    folder = hub_folder(tmp_path / "set", None, {"train": rows}, features)
    swapped = {"source": "target", "target": "source"}
    documents = read(preset("hub", name=folder), columns=swapped, cache_dir=tmp_path / "cache")
    table = documents.tables["train"]
    assert table[0] == {"source": "of target", "target": "of source"}
    assert not list((tmp_path / "cache").rglob("train.arrow"))


def test_eli5_category(tmp_path):
    from datasets import Features, List, Value

    answers = {"a_id": List(Value("string")), "text": List(Value("string"))}
    answers["score"] = List(Value("int32"))
    features = Features({"q_id": Value("string"), "title": Value("string"), "answers": answers})
    row = {"q_id": "1", "title": "Why?", "answers": {"a_id": ["a", "b"], "score": [3, 2]}}
    row["answers"]["text"] = ["Because.", "For that."]
    folder = hub_folder(tmp_path / "set", None, {"train": [row], "test": [row]}, features)
    data = preset("eli5_category", name=folder)
    documents = read(data, columns=columns("mlm", data), cache_dir=tmp_path / "cache")
    assert documents.tables["train"]["text"][:] == ["Because. For that."]


def test_korean_sarcasm(tmp_path):
    from datasets import ClassLabel, Features, Value

    label = ClassLabel(names=["no_sarcasm", "sarcasm"])
    features = Features({"tokens": Value("string"), "label": label})
    rows = [{"tokens": "그래 잘났다", "label": 1}, {"tokens": "좋은 아침", "label": 0}]
    folder = hub_folder(tmp_path / "set", None, {"train": rows, "test": rows[:1]}, features)
    data = preset("korean_sarcasm", name=folder)
    roles = columns("classification", data)
    documents = read(data, columns=roles, cache_dir=tmp_path / "cache")
    assert documents.tables["train"]["label"][:] == ['"sarcasm"', '"no_sarcasm"']
    assert documents.tables["test"]["text"][:] == ["그래 잘났다"]


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("nsmc", "classification", {"text": '"좋아요', "label": '"1"'}),
        ("korean_hate", "classification", {"text": "글", "label": '"offensive"'}),
        ("kde4", "translation", {"source": "Close", "target": "Fermer"}),
        ("book_blurbs", "rtd", {"text": "책, 한 권"}),
    ],
)
def test_presets_of_files_read_them_where_they_are_unpacked(
    tmp_path, monkeypatch, name, task, expected
):
    for file, content in FILES[name].items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    data = preset(name)
    roles = columns(task, data)
    assert problems(data, columns=roles) == []
    tables = read(data, columns=roles, cache_dir=tmp_path / "cache").tables
    assert tables["train"][0] == expected
    held = {s for s in ("validation", "test") if isinstance(getattr(data.split, s), str)}
    assert set(tables) == {"train"} | held
