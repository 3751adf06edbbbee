"""Models of one network from scratch."""

from __future__ import annotations

from typing import Any

from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    ElectraForMaskedLM,
    ElectraForSequenceClassification,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerBase,
)

from electralab.models.build import electra_config
from electralab.models.networks import Network
from electralab.models.tokenizers import check_numbered

_ELECTRA = {
    AutoModelForMaskedLM: ElectraForMaskedLM,
    AutoModelForSequenceClassification: ElectraForSequenceClassification,
}


def fresh_network(
    auto_class: type,
    *,
    tokenizer: PreTrainedTokenizerBase,
    embedding_size: int | None,
    hidden_size: int,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    max_position_embeddings: int,
    dropout: float,
    initializer_range: float,
    **fields: Any,
) -> Network:
    """Builds a model from random numbers: an ELECTRA, or a Marian for translation.

    Args:
        auto_class: `AutoModelForMaskedLM`, `AutoModelForSequenceClassification` or
            `AutoModelForSeq2SeqLM`.
        tokenizer: Whose ids it reads.
        embedding_size: Width of an ELECTRA's token table; a Marian's is as wide as its layers.
        hidden_size: Width of the layers, a multiple of the heads.
        num_hidden_layers: Layers of the encoder, and as many of a decoder.
        num_attention_heads: Heads a layer.
        intermediate_size: Width of the feed-forward layers.
        max_position_embeddings: Longest row, in tokens.
        dropout: Of hidden states and attention, 0 to below 1.
        initializer_range: Spread of the random numbers.
        fields: Further fields of an ELECTRA's configuration, such as ``id2label``.

    Raises:
        UserError: The tokenizer's ids skip numbers.
    """
    check_numbered(tokenizer)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": hidden_size,
        "num_hidden_layers": num_hidden_layers,
        "num_attention_heads": num_attention_heads,
        "intermediate_size": intermediate_size,
        "max_position_embeddings": max_position_embeddings,
        "dropout": dropout,
        "initializer_range": initializer_range,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if auto_class is AutoModelForSeq2SeqLM:
        model = MarianMTModel(marian_config(**sizes, eos_token_id=tokenizer.eos_token_id))
    else:
        config = electra_config(**sizes, embedding_size=embedding_size or hidden_size)
        for name, value in fields.items():
            setattr(config, name, value)
        model = _ELECTRA[auto_class](config)
    return Network(model=model, fresh=sorted(model.state_dict()))


def marian_config(
    *,
    vocab_size: int,
    hidden_size: int,
    num_hidden_layers: int,
    num_attention_heads: int,
    intermediate_size: int,
    max_position_embeddings: int,
    dropout: float,
    initializer_range: float,
    pad_token_id: int,
    eos_token_id: int,
) -> MarianConfig:
    """Returns the configuration of a Marian (Junczys-Dowmunt et al. 2018), its two halves alike.

    Encoder, decoder and output share one table (Press & Wolf 2017); positions are sinusoids and
    tokens are scaled by √hidden_size, so that either is heard beside the other (Vaswani et al.
    2017, section 3.4).
    """
    return MarianConfig(
        vocab_size=vocab_size,
        d_model=hidden_size,
        encoder_layers=num_hidden_layers,
        decoder_layers=num_hidden_layers,
        encoder_attention_heads=num_attention_heads,
        decoder_attention_heads=num_attention_heads,
        encoder_ffn_dim=intermediate_size,
        decoder_ffn_dim=intermediate_size,
        max_position_embeddings=max_position_embeddings,
        dropout=dropout,
        attention_dropout=dropout,
        init_std=initializer_range,
        scale_embedding=True,
        activation_function="gelu",
        pad_token_id=pad_token_id,
        bos_token_id=None,
        eos_token_id=eos_token_id,
        forced_eos_token_id=eos_token_id,
        decoder_start_token_id=pad_token_id,
    )
