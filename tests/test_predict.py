"""`predict` and `export` of a masked language model, and what `predict` does for every task."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    MarianConfig,
    pipeline,
)

from electralab.cli import main
from electralab.predicting.mlm import MlmPredictor
from electralab.verbs.export import export as export_model
from electralab.verbs.predict import answers
from tests.conftest import TINY, write_corpus
from tests.test_verbs import export_to, hub  # noqa: F401

TEXTS = [
    "the [MASK] of a file",
    "the path [MASK] a [MASK]",
    "a [MASK]",
    "lists keys values numbers [MASK] words tokens models runs steps masks heads layers are given",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("predict")
    corpus = write_corpus(root / "corpus.txt")
    words = ["task=mlm", "data=text", f"data.path={corpus}", f"output_dir={root}/outputs", *TINY]
    # Large weights, so that no two tokens are about as likely.
    words += ["tracking=off", "trainer.eval_strategy=no", "model.initializer_range=0.5"]
    assert main([*words, "trainer.max_steps=2"]) == 0
    [found] = (root / "outputs" / "mlm").iterdir()
    return found


@pytest.fixture(scope="module")
def export(run, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("export") / "mlm"
    assert main(["export", str(run), str(target)]) == 0
    return target


def predict(run, capsys, *words: str) -> list[dict]:
    capsys.readouterr()
    assert main(["predict", "--json", str(run), *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_fills_in_what_the_pipeline_fills_in_on_the_export(run, export, capsys):
    fill = pipeline("fill-mask", model=str(export), top_k=4)
    for result, text in zip(predict(run, capsys, "--top-k", "4", *TEXTS), TEXTS, strict=True):
        wanted = fill(text)
        wanted = wanted if isinstance(wanted[0], list) else [wanted]
        assert result["text"] == text and len(result["masks"]) == text.count("[MASK]")
        for ours, theirs in zip(result["masks"], wanted, strict=True):
            assert [fill["token"] for fill in ours] == [fill["token_str"] for fill in theirs]
            for one, other in zip(ours, theirs, strict=True):
                assert one["probability"] == pytest.approx(other["score"], abs=1e-6)


def test_an_export_is_a_plain_folder_with_a_card(run, export):
    model, info = AutoModelForMaskedLM.from_pretrained(export, output_loading_info=True)
    assert not any(info.values()), info
    assert AutoTokenizer.from_pretrained(export).mask_token == "[MASK]"
    assert {path.name for path in export.iterdir()} == {
        path.name for path in (run / "model").iterdir()
    } | {"README.md"}
    card = (export / "README.md").read_text()
    run_id = json.loads((run / "run.json").read_text())["run_id"]
    for part in ("pipeline_tag: fill-mask", "AutoModelForMaskedLM", f"`{run_id}`"):
        assert part in card
    assert type(model).__name__ == "ElectraForMaskedLM"


CLASSIFIER = BertConfig(
    vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)
TRANSLATOR = MarianConfig(
    **{"vocab_size": 300, "d_model": 8, "encoder_layers": 1, "decoder_layers": 1},
    **{"encoder_attention_heads": 1, "decoder_attention_heads": 1, "pad_token_id": 0},
    **{"encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "decoder_start_token_id": 0, "eos_token_id": 3},
)


@pytest.mark.parametrize(
    ("task", "loader", "config", "said"),
    [
        ("classification", AutoModelForSequenceClassification, CLASSIFIER, "text-classification"),
        ("translation", AutoModelForSeq2SeqLM, TRANSLATOR, "model.generate("),
    ],
)
def test_the_card_of_each_task_names_what_loads_it(run, tmp_path, task, loader, config, said):
    torch.manual_seed(0)
    model = loader.from_config(config).eval()
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(run / "model").save_pretrained(tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "out", task=task, run_id="0123")
    card = (tmp_path / "out" / "README.md").read_text()
    assert loader.__name__ in card and said in card and "`0123`" in card
    loaded, info = loader.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded) is type(model)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    if task == "translation":  # the settings of its generation come along
        assert (tmp_path / "out" / "generation_config.json").is_file()
    else:
        [found] = pipeline(said, model=str(tmp_path / "out"))("a file")
        assert found["label"] in ("LABEL_0", "LABEL_1")


def test_the_export_of_a_damaged_model_is_refused(run, tmp_path, capsys):
    broken = Path(shutil.copytree(run, tmp_path / "run"))
    weights = broken / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main(["export", str(broken), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "must hold a whole model" in said
    assert not (tmp_path / "out").exists()


def test_push_uploads_a_plain_folder(hub, run, tmp_path):  # noqa: F811
    done = export_to(hub, run, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    [commit] = [body for path, _, body in hub.calls if "/commit/" in path]
    paths = {json.loads(line)["value"].get("path") for line in commit.splitlines()}
    assert {"model.safetensors", "config.json", "README.md", "tokenizer.json"} <= paths
    assert export_to(hub, run, tmp_path / "out").returncode == 0  # the folder of before


@pytest.mark.parametrize("mask", ["[MASK]", "<mask>"])
def test_the_mask_may_be_written_in_either_way(run, capsys, mask):
    [one], [other] = (predict(run, capsys, f"the {m} of a file") for m in (mask, "[MASK]"))
    assert one["masks"] == other["masks"]


@pytest.mark.parametrize("words", [["a file"], ["the [MASK]", "a file"]])
def test_a_text_without_a_mask_is_one_line_that_says_what_to_write(run, capsys, words):
    assert main(["predict", str(run), *words]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and shown.out == ""
    assert shown.err.startswith("TEXT must have [MASK]") and "'a file'" in shown.err


def test_a_file_is_answered_in_its_order_with_empty_answers_for_empty_lines(run, tmp_path, capsys):
    lines = [*TEXTS, "", TEXTS[2], "   ", *TEXTS[::-1]] * 9
    file = tmp_path / "texts.txt"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    results = predict(run, capsys, "--file", str(file), "--batch-size", "4")
    assert [result["text"] for result in results] == lines
    assert all(("masks" in result) == bool(result["text"].strip()) for result in results)
    # As one by one: neither neighbours nor pads change an answer.
    alone = {text: predict(run, capsys, text)[0]["masks"] for text in TEXTS}
    for result in results:
        for ours, theirs in zip(
            result.get("masks", []), alone.get(result["text"], []), strict=True
        ):
            assert [fill["token"] for fill in ours] == [fill["token"] for fill in theirs]
            assert [fill["probability"] for fill in ours] == pytest.approx(
                [fill["probability"] for fill in theirs], abs=1e-6
            )
    capsys.readouterr()
    assert main(["predict", str(run), "--file", str(file)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:4] == [TEXTS[0], shown[1], TEXTS[1], shown[3]] and shown.count("") == 2 * 9


def test_a_text_longer_than_the_model_is_read_window_by_window(run, capsys):
    text = "the path of a [MASK] " * 40
    [result] = predict(run, capsys, text)
    assert len(result["masks"]) == 40
    [first] = predict(run, capsys, "the path of a [MASK] " * 12 + "the path")  # 62 tokens
    assert first["masks"][0][0] == pytest.approx(result["masks"][0][0], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a [MASK]\ncaf\xe9 [MASK]\n", ["line 2, byte 13", "UTF-8", "0xe9"]),
        (b"a [MASK]\n\na\0b\n", ["line 3", "NUL"]),
        (b"a [MASK]\n\nof a file\n", ["line 3, must have [MASK]", "'of a file'"]),
    ],
)
@pytest.mark.parametrize("from_file", [True, False])
def test_a_bad_line_is_named(run, tmp_path, capsys, monkeypatch, content, said, from_file):
    file = tmp_path / "texts.txt"
    file.write_bytes(content)
    stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["predict", str(run), *(["--file", str(file)] if from_file else [])]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(str(file) if from_file else "Standard input"), line
    assert [part for part in said if part not in line] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--file", "nowhere.txt"], "--file must be a file"),
        (["--file", "."], "--file must be a file"),
        (["--file", "x", "text [MASK]"], "--file must stand without TEXT"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--top-k", "0", "a [MASK]"], "--top-k must be at least 1"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run, capsys, words, said):
    assert main(["predict", str(run), *words]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(said) and shown.count("\n") == 1


def test_a_run_without_its_configuration_is_one_line(run, tmp_path, capsys):
    bare = Path(shutil.copytree(run, tmp_path / "run"))
    for content in (None, "", "name: x", "{"):
        (bare / "config.yaml").unlink() if content is None else None
        if content is not None:
            (bare / "config.yaml").write_text(content)
        assert main(["predict", str(bare), "a [MASK]"]) == 2
        shown = capsys.readouterr().err
        assert "config.yaml cannot be read" in shown and shown.count("\n") == 1


def test_answers_come_as_lines_do_and_only_a_pool_is_in_memory():
    read, batches = [], []

    class Judge:
        def problem(self, text):
            return None

        def batch(self, texts, *, top_k):
            batches.append(texts)
            return [{"text": text, "length": len(text)} for text in texts]

    def texts():
        for number in range(100):
            read.append(number)
            yield "", "x" * (number * 7 % 10 + 1)

    results = answers(Judge(), texts(), size=4, pool=5, top_k=1)
    first = next(results)
    assert len(read) == 20 and len(first) == 20
    assert [len(batch) for batch in batches] == [4] * 5
    # Of like lengths together, but in the order in which they came.
    assert all(max(map(len, one)) >= max(map(len, other)) for one, other in pairwise(batches))
    assert [result["length"] for result in first] == [n * 7 % 10 + 1 for n in range(20)]
    assert sum(map(len, results)) == 80


def test_a_person_at_a_terminal_gets_each_answer_at_once(run, capsys, monkeypatch):
    heard = []

    def typed():
        for text in TEXTS:
            yield f"{text}\n".encode()
            heard.append(capsys.readouterr().out.partition("\n")[0])

    lines = typed()
    stream = SimpleNamespace(read1=lambda _: next(lines, b""))
    terminal = SimpleNamespace(buffer=stream, isatty=lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["predict", str(run)]) == 0
    assert heard == TEXTS


def test_texts_that_were_cut_off_are_counted_in_one_line(run, capsys, monkeypatch):
    def batch(self, texts, *, top_k):
        return [{"text": text, "masks": [], "truncated": "long" in text} for text in texts]

    monkeypatch.setattr(MlmPredictor, "batch", batch)
    assert main(["predict", str(run), "long [MASK]", "[MASK]", "as long [MASK]"]) == 0
    assert capsys.readouterr().err == (
        "2 texts were longer than the run's data.max_length=32 and cut off.\n"
    )


def test_a_reader_that_leaves_is_no_failure(run, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("a [MASK]\n" * 3000)
    command = f"{sys.executable} -m electralab predict {run} --file {file} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a [MASK]\n", "")


def test_nothing_is_drawn_at_random(run, capsys):
    torch.manual_seed(1)
    one = predict(run, capsys, *TEXTS)
    torch.manual_seed(2)
    assert predict(run, capsys, *TEXTS) == one
