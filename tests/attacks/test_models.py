"""The folder of a model or a tokenizer is anyone's: it runs no code and fills no memory."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, ElectraForPreTraining

from electralab.cli import main
from electralab.errors import UserError
from electralab.models.loading import load_electra
from electralab.models.networks import load_network
from electralab.models.scratch import fresh_network
from electralab.models.tokenizers import load_tokenizer
from tests.attacks.conftest import Bomb
from tests.mistakes.case import adapt, edit, train

WEIGHTS = "model.safetensors"
KEY = "model.name_or_path"
pytestmark = pytest.mark.usefixtures("bounded")


def header(file: Path, content: object, *, data: bytes = b"", length: int | None = None) -> None:
    """Writes a safetensors file with a header of any kind."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    file.write_bytes((length or len(text)).to_bytes(8, "little") + text + data)


def tensor(shape: list[int], *offsets: int) -> dict:
    return {"dtype": "F32", "shape": shape, "data_offsets": [*offsets]}


def replace(file: Path, make: Callable[[Path], object]) -> None:
    file.unlink()
    make(file)


def huge_header(m: Path) -> None:
    with open(m / WEIGHTS, "wb") as file:
        file.write((6 << 30).to_bytes(8, "little"))
        file.truncate(8 << 30)  # with a hole, which takes no disk


def pickled(m: Path) -> None:
    (m / WEIGHTS).rename(m / "pytorch_model.bin")
    (m / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(m.parent / "marker")))


def other_file(m: Path) -> None:
    torch.save({"x": Bomb(m.parent / "marker")}, m / "evil.bin")
    edit(m / "config.json", transformers_weights="evil.bin")


def index_elsewhere(m: Path) -> None:
    (m / WEIGHTS).rename(m.parent / "x.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "../x.safetensors"}}
    (m / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def piece(m: Path, number: object) -> None:
    content = json.loads((m / "tokenizer.json").read_text())
    content["model"]["vocab"]["evil"] = number
    (m / "tokenizer.json").write_text(json.dumps(content))


REFUSED = {
    "a pickle for weights": (pickled, f"m has no {WEIGHTS}, only pytorch_model.bin, a pickle"),
    "a pickle called safetensors": (
        lambda m: (m / WEIGHTS).write_bytes(pickle.dumps(Bomb(m.parent / "marker"))),
        f"m/{WEIGHTS} is no safetensors file",
    ),
    "weights of another name": (other_file, "m/config.json sets `transformers_weights`"),
    "quantised weights": (
        lambda m: edit(m / "config.json", quantization_config={"quant_method": "torchao"}),
        "m/config.json sets `quantization_config`, but weights are read as they are",
    ),
    "an index that climbs": (index_elsewhere, "names ../x.safetensors, which is no file beside it"),
    "a header of 6 GB": (huge_header, f"m/{WEIGHTS} is no safetensors file (8,589,934,592 bytes)"),
    "a header nested deeply": (
        lambda m: header(m / WEIGHTS, b'{"a":' + b"[" * 100_000),
        f"m/{WEIGHTS} is no safetensors file",
    ),
    "a config.json nested deeply": (
        lambda m: (m / "config.json").write_text('{"a":' + "[" * 100_000),
        "must be a folder with a readable config.json, but m has none",
    ),
    "a config.json that never comes": (
        lambda m: replace(m / "config.json", os.mkfifo),
        "must be a folder with a readable config.json, but m has none",
    ),
    "a config.json that never ends": (
        lambda m: replace(m / "config.json", lambda file: file.symlink_to("/dev/zero")),
        "must be a folder with a readable config.json, but m has none",
    ),
    "a billion layers": (
        lambda m: edit(m / "config.json", num_hidden_layers=10**9),
        "m/config.json gives `num_hidden_layers` as 1000000000, which is more than 1,000",
    ),
    "ten billion labels": (
        lambda m: edit(m / "config.json", num_labels=10**10),
        "m/config.json gives `num_labels` as 10000000000, which is more than 1,000,000",
    ),
    "a tokenizer nested deeply": (
        lambda m: (m / "tokenizer.json").write_text("[" * 100_000),
        "m/tokenizer.json cannot be read: it is nested too deeply",
    ),
    "a piece that is no number": (
        lambda m: piece(m, "x"),
        "m/tokenizer.json gives a piece the id 'x'",
    ),
    "a piece below zero": (lambda m: piece(m, -3), "m/tokenizer.json gives a piece the id -3"),
    "a piece far beyond the table": (
        lambda m: piece(m, 10**9),
        "pieces, but that of m has 1000000001 instead",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_is_refused_before_anything_is_loaded(m, marker, capsys, name):
    change, said = REFUSED[name]
    change(m)
    assert main(["check", *adapt("m")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"`{KEY}` must") and said in line


SIZES = {
    "a billion wide": {"hidden_size": 10**9},
    "a trillion pieces": {"vocab_size": 10**12},
    "ten billion positions": {"max_position_embeddings": 10**10},
    "some gigabytes": {"intermediate_size": 1 << 25},
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_the_weights_do_not_have_take_no_memory(m, marker, name):
    edit(m / "config.json", **SIZES[name])
    with pytest.raises(UserError, match=r"by its config.json it has .* numbers, and its weights"):
        load_electra(ElectraForPreTraining, str(m), key=KEY)


HEADERS = {
    "a shape of 10^15 numbers": ({"a": tensor([10**15], 0, 4)}, b"\0" * 4),
    "two tensors in one place": ({"a": tensor([1], 0, 4), "b": tensor([1], 0, 4)}, b"\0" * 4),
    "a place before the file": ({"a": tensor([1], -4, 0)}, b""),
    "an overflow": ({"a": tensor([1 << 62, 1 << 62], 0, 4)}, b"\0" * 4),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies_is_one_line(m, marker, name):
    content, data = HEADERS[name]
    header(m / WEIGHTS, content, data=data)
    with pytest.raises(UserError, match=f"`{KEY}` must hold weights in safetensors"):
        load_electra(ElectraForPreTraining, str(m), key=KEY)


def evil_code(m: Path) -> None:
    (m / "evil.py").write_text(f"import os\nos.mkdir({str(m.parent / 'marker')!r})\n")


def test_code_that_comes_with_a_model_is_not_run(m, marker):
    evil_code(m)
    names = ("AutoConfig", "AutoModelForMaskedLM")
    edit(m / "config.json", model_type="evil", auto_map={name: "evil.Evil" for name in names})
    with pytest.raises(UserError, match="it needs code that comes with it, which is never run"):
        load_network(AutoModelForMaskedLM, str(m))


def test_code_that_comes_with_a_known_kind_is_left_alone(m, marker):
    evil_code(m)
    edit(m / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModelForPreTraining": "evil.M"})
    edit(m / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]})
    assert type(load_electra(ElectraForPreTraining, str(m), key=KEY)) is ElectraForPreTraining
    assert load_tokenizer(str(m)).is_fast


def test_a_model_chooses_no_kernel_of_the_hub(m, marker):
    edit(m / "config.json", attn_implementation="evil/kernel")
    model = load_electra(ElectraForPreTraining, str(m), key=KEY)
    assert model.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize("name", ["RagTokenizer", "pipeline"])
def test_a_tokenizer_class_that_is_none_is_one_line(m, marker, name):
    edit(m / "tokenizer_config.json", tokenizer_class=name)
    with pytest.raises(UserError, match="must be a hub name or a folder with a tokenizer"):
        load_tokenizer(str(m))


def test_a_panic_of_the_tokenizers_library_is_one_line(m, marker):
    edit(m / "tokenizer.json", normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"})
    with pytest.raises(UserError, match="cannot be loaded: Precompiled"):
        load_tokenizer(str(m))


def test_names_of_chat_templates_write_nothing_outside(m, marker):
    template = {"name": "../../marker", "template": "{{ ''.__class__ }}"}
    edit(m / "tokenizer_config.json", chat_template=[template])
    load_tokenizer(str(m)).save_pretrained(m.parent / "a" / "b")
    assert [path.name for path in m.parent.rglob("*.jinja")] == []


def test_a_vocabulary_elsewhere_is_not_read(m, marker):
    secret = m.parent / "secret.txt"
    secret.write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\nhunter2\n")
    edit(m / "tokenizer_config.json", vocab_file=str(secret), tokenizer_file=str(secret))
    assert "hunter2" not in load_tokenizer(str(m)).get_vocab()


def test_ids_that_skip_numbers_make_no_rows_of_a_fresh_model(m, marker):
    piece(m, 10**9)
    tokenizer = load_tokenizer(str(m))
    sizes = dict.fromkeys(("embedding_size", "hidden_size", "intermediate_size"), 8)
    sizes |= {"num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 8}
    with pytest.raises(UserError, match=r"without a gap for a model from scratch, .* 1,000,000"):
        fresh_network(
            AutoModelForMaskedLM, tokenizer=tokenizer, dropout=0.0, initializer_range=0.02, **sizes
        )


def test_a_folder_in_a_circle_is_one_line(here, marker, capsys):
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    assert main(["check", *adapt("./a")]) == 2
    assert main(["check", *train("model.tokenizer=./a")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(", but")[2] for line in lines] == [" ./a does not."] * 2
