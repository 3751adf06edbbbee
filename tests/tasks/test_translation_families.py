"""Families of models: what each is told of the languages, from training to a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBart50Tokenizer,
    MBartConfig,
    MBartForConditionalGeneration,
    MBartTokenizer,
    NllbTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from electralab.cli import main
from electralab.data.bpe import train_bpe
from electralab.predicting.translation import TranslationPredictor
from tests.tasks.translating import TINY, pairs, write_pairs

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyzé%{}…123 "]
HALVES = ("encoder", "decoder")


def tokenizer_of(family: str):
    if family == "mbart":
        return MBartTokenizer(vocab=[(piece, 0.0) for piece in PIECES])
    if family == "mbart50":
        return MBart50Tokenizer(vocab=[(piece, 0.0) for piece in PIECES])
    if family == "nllb":
        return NllbTokenizer(vocab={piece: i for i, piece in enumerate(PIECES)}, merges=[])
    texts = [text for pair in pairs(100) for text in pair]
    return train_bpe(texts, vocab_size=320, lowercase=False)


def save(family: str, folder: Path) -> None:
    """Saves a tiny model of a family, with habits of generation that must not be kept."""
    tokenizer = tokenizer_of(family)
    sizes = {"d_model": 16, "vocab_size": len(tokenizer), "max_position_embeddings": 64}
    for half in HALVES:
        sizes |= {f"{half}_layers": 1, f"{half}_attention_heads": 2, f"{half}_ffn_dim": 16}
    torch.manual_seed(0)
    if family == "t5":
        inner = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
        ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
        config = T5Config(vocab_size=len(tokenizer), **inner, **ids)
        model = T5ForConditionalGeneration(config)
    elif family == "nllb":
        model = M2M100ForConditionalGeneration(M2M100Config(**sizes))
    else:
        model = MBartForConditionalGeneration(MBartConfig(**sizes))
    model.generation_config.max_length = 200
    model.generation_config.num_beams = 5
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


FAMILIES = {
    "mbart": ("task.source_lang=en_XX", "task.target_lang=fr_XX"),
    "mbart50": ("task.source_lang=en_XX", "task.target_lang=fr_XX"),
    "nllb": ("task.source_lang=eng_Latn", "task.target_lang=fra_Latn"),
    "t5": ("task.prefix='to French: '",),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_is_tuned_and_its_folder_knows_the_languages(family, here, capfd):
    save(family, here / "model")
    path = write_pairs(here / "pairs.jsonl")
    own = [word for word in TINY if not word.startswith("model.")]
    columns = ["data.columns.source=en", "data.columns.target=fr"]
    start = ["model=auto", "model.name_or_path=model", "trainer=finetune"]
    told = FAMILIES[family]
    run = ["task=translation", "data=json", f"data.path={path}", *columns, *start, *own, *told]
    assert main([*run, "trainer.max_steps=2", "task.num_beams=2", "data.max_target_length=12"]) == 0
    assert "Warning" not in capfd.readouterr().err
    [folder] = Path("outputs/translation").iterdir()
    assert "eval_bleu" in json.loads((folder / "summary.json").read_text())["baseline_metrics"]

    config = yaml.safe_load((folder / "config.yaml").read_text())
    text = "open the file"
    predictor = TranslationPredictor(folder / "model", config=config)
    [found] = predictor.batch([text], top_k=1)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    model = AutoModelForSeq2SeqLM.from_pretrained(folder / "model").eval()
    typed = ("to French: " if family == "t5" else "") + text
    ids = tokenizer(typed, return_tensors="pt")
    written = model.generate(**ids)[0]
    assert found["translation"] == tokenizer.decode(written, skip_special_tokens=True)
    assert model.generation_config.num_beams == 2 and len(written) <= 13
    if family != "t5":
        codes = [word.partition("=")[2] for word in told]
        source, target = tokenizer.convert_tokens_to_ids(codes)
        assert source in ids["input_ids"][0]
        assert written[0 if family == "mbart" else 1] == target
        labels = tokenizer(text_target=text)["input_ids"]
        assert target in labels and source not in labels
