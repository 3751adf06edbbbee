"""Tiny models and data sets of the same shape as those of the hub that recipes name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import ClassLabel, Dataset, Features, Value
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaTokenizer,
)

from electralab.data.tokenizer import train_wordpiece
from tests.conftest import WORDS

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 514,
}


def wordpiece(texts: Sequence[str] = (WORDS,)):
    return train_wordpiece(list(texts), vocab_size=300, lowercase=True)


def bert(folder: Path, texts: Sequence[str] = (WORDS,)) -> Path:
    """As bert-base-uncased: with a head for masked tokens, none for classes."""
    tokenizer = wordpiece(texts)
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **SIZES)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def roberta(folder: Path, texts: Sequence[str] = (WORDS,)) -> Path:
    """As distilroberta-base: byte-level pieces, `<mask>`, positions that begin behind the pad."""
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, vocab_size=400, special_tokens=special)
    folder.mkdir(parents=True)
    trained.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    merges = [
        tuple(line.split())
        for line in (folder / "merges.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=512)
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=len(tokenizer), type_vocab_size=1, **SIZES)
    RobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def electra_pair(folder: Path, texts: Sequence[str] = (WORDS,)) -> tuple[Path, Path]:
    """As KoELECTRA: a discriminator and a generator, a quarter as wide, with one vocabulary."""
    tokenizer = wordpiece(texts)
    sizes = {**SIZES, "vocab_size": len(tokenizer), "embedding_size": 16}
    torch.manual_seed(0)
    narrow = {**sizes, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 16}
    ElectraForPreTraining(ElectraConfig(**sizes)).save_pretrained(folder / "discriminator")
    ElectraForMaskedLM(ElectraConfig(**narrow)).save_pretrained(folder / "generator")
    for part in ("discriminator", "generator"):
        tokenizer.save_pretrained(folder / part)
    return folder / "discriminator", folder / "generator"


def marian(folder: Path, source: Sequence[str], target: Sequence[str]) -> Path:
    """As opus-mt-en-fr: two SentencePiece models and one vocabulary."""
    import sentencepiece

    folder.mkdir(parents=True)
    pieces: set[str] = set()
    for side, texts in (("source", source), ("target", target)):
        (folder / f"{side}.txt").write_text("\n".join(texts), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / f"{side}.txt"),
            model_prefix=str(folder / side),
            vocab_size=80,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        pieces |= {model.id_to_piece(i) for i in range(model.get_piece_size())}
    names = ["</s>", "<unk>", *sorted(pieces - {"<s>", "</s>", "<unk>"}), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = MarianTokenizer(
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
        vocab=str(folder / "vocab.json"),
        model_max_length=512,
    )
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(names),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=512,
        pad_token_id=len(names) - 1,
        decoder_start_token_id=len(names) - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
    )
    MarianMTModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def hub_folder(
    folder: Path, splits: dict[str, list[dict]], *, subset: str = "default", names=None
) -> Path:
    """A data set as the hub keeps them: Parquet files, and a README that says which is which."""
    lines = [
        "---",
        "configs:",
        f"- config_name: {subset}",
        "  data_files:",
    ]
    for split, rows in splits.items():
        table = Dataset.from_list(rows)
        if names:
            table = table.cast(Features({**table.features, "label": ClassLabel(names=names)}))
        place = folder / subset / f"{split}-00000-of-00001.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(str(place))
        lines += [f"  - split: {split}", f"    path: {place.relative_to(folder)}"]
    if names:
        lines += ["dataset_info:", f"- config_name: {subset}", "  features:"]
        for column, feature in table.features.items():
            if isinstance(feature, ClassLabel):
                lines += [
                    f"  - name: {column}",
                    "    dtype:",
                    "      class_label:",
                    "        names:",
                ]
                lines += [f"          '{i}': {name}" for i, name in enumerate(names)]
            else:
                kind = feature.dtype if isinstance(feature, Value) else "string"
                lines += [f"  - name: {column}", f"    dtype: {kind}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder
