"""Checkpoints and tokenizers that cannot serve."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.mistakes.case import Cases, Place, adapt, edit, halve, train

case = Cases()

# --- tokenizers and models -------------------------------------------------------------------


def model(name: str, change: Callable[[Path], object] | dict, *said: str) -> None:
    """Adds a case of a checkpoint that cannot serve."""

    def words(place: Place) -> list[str]:
        if callable(change):
            change(place.part("m"))
        else:
            place.part("m", **change)
        return adapt("m")

    case(name, words, "`model.name_or_path`", *said)


def tokenizer(name: str, change: Callable[[Path], object], *said: str) -> None:
    """Adds a case of a tokenizer's folder that cannot serve."""

    def words(place: Place) -> list[str]:
        change(place.part("t"))
        return train("model.tokenizer=t")

    case(name, words, "`model.tokenizer`", *said)


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _without_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _without_pad(folder: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    shutil.rmtree(folder)
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[MASK]": 1, "a": 2}, unk_token="[UNK]"))
    made = PreTrainedTokenizerFast(tokenizer_object=words, mask_token="[MASK]")
    made.save_pretrained(folder)


def _swapped_pieces(place: Place) -> list[str]:
    place.part("m")
    file = place.part("g", "generator") / "tokenizer.json"
    content = json.loads(file.read_text())
    pieces = content["model"]["vocab"]
    one, other = list(pieces)[50:52]
    pieces[one], pieces[other] = pieces[other], pieces[one]
    file.write_text(json.dumps(content))
    return adapt("m", "model.generator.name_or_path=g")


def _other_vocabulary(place: Place) -> list[str]:
    place.part("m")
    place.part("g", "generator", vocab_size=77)
    return adapt("m", "model.generator.name_or_path=g")


def _other_positions(place: Place) -> list[str]:
    from transformers import ElectraConfig, ElectraForMaskedLM

    place.part("m")
    config = ElectraConfig.from_pretrained(place.base.export / "generator")
    config.max_position_embeddings = 128
    ElectraForMaskedLM(config).save_pretrained("g")
    return adapt("m", "model.generator.name_or_path=g", "model.share_embeddings=all")


def _run_with_other_layers(place: Place) -> list[str]:
    run = place.run()
    file = run / "model" / "config.json"
    config = json.loads(file.read_text())
    config["discriminator"]["num_hidden_layers"] = 2
    file.write_text(json.dumps(config))
    return adapt(run)


case("model-that-is-missing", adapt("./nowhere"), "`model.name_or_path`", "exists", "./nowhere")
case("file-for-a-model", adapt("corpus.txt"), "`model.name_or_path`", "folder", "is a file")
case("id-of-no-run", adapt("deadbeef"), "`model.name_or_path`", "no run `deadbeef`")
model("no-electra", {"model_type": "roberta"}, "must be an ELECTRA", "'roberta'")
model("config-broken", lambda m: halve(m / "config.json"), "readable config.json", "m has none")
model("config-of-texts", {"hidden_size": "16"}, "`hidden_size`", "'16'", "whole number")
model("config-without-layers", {"num_hidden_layers": 0}, "`num_hidden_layers`", "above 0")
model("config-of-odd-heads", {"num_attention_heads": 3}, "`hidden_size` 16", "3 heads")
model("weights-of-other-sizes", {"intermediate_size": 64}, "fit its config.json", "[64")
model("weights-of-fewer-layers", {"num_hidden_layers": 2}, "fit its config.json", "encoder.layer.1")
model("weights-missing", lambda m: (m / "model.safetensors").unlink(), "no model.safetensors")
model("weights-cut", lambda m: halve(m / "model.safetensors"), "m/model.safetensors", "cut off")
model("weights-as-pickle", _pickle_only, "safetensors", "pytorch_model.bin, a pickle")
model(
    "weights-as-a-pointer-of-git-lfs",
    lambda m: (m / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
    *("m/model.safetensors", "no safetensors file"),
)
case("run-that-does-not-fit", _run_with_other_layers, "must hold a whole model", "encoder.layer.1")
case(
    "generator-of-another-vocabulary",
    _other_vocabulary,
    *("`model.generator.name_or_path`", "`vocab_size`", "has 77"),
)
case(
    "generator-of-other-pieces",
    _swapped_pieces,
    *("`model.generator.name_or_path`", "same pieces", "2 differ"),
)
case(
    "shared-tables-of-other-lengths",
    _other_positions,
    *("`model.share_embeddings`", "`max_position_embeddings`", "128", "64"),
)
tokenizer(
    "tokenizer-without-mask",
    lambda t: edit(t / "tokenizer_config.json", mask_token=None),
    *("mask token", "t has none"),
)
tokenizer("tokenizer-without-pad", _without_pad, "pad_token", "'t' has none")
tokenizer("tokenizer-cut", lambda t: halve(t / "tokenizer.json"), "t/tokenizer.json", "no JSON")
tokenizer(
    "tokenizer-config-cut",
    lambda t: halve(t / "tokenizer_config.json"),
    *("t/tokenizer_config.json", "no JSON"),
)
tokenizer("tokenizer-without-vocabulary", _without_vocabulary, "the folder t holds none")


def _piece(number: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "tokenizer.json"
        content = json.loads(file.read_text())
        content["model"]["vocab"]["more"] = number
        file.write_text(json.dumps(content))

    return change


tokenizer("ids-that-skip-numbers", _piece(10**6), "without a gap", "with ids up to 1,000,000.")
model("ids-beyond-the-table", _piece(10**6), "at most the model's", "has 1000001 instead.")
model("sizes-of-another-world", {"intermediate_size": 1 << 25}, "by its config.json it has")
model("layers-of-another-world", {"num_hidden_layers": 10**9}, "1000000000, which is more than")
model("weights-that-are-quantised", {"quantization_config": {"a": 1}}, "read as they are")
