"""A BERT read as an ELECTRA: the same encoder under other names."""

from __future__ import annotations

from torch import Tensor
from transformers import BertModel, ElectraConfig

# Equal fields of both configurations. ELECTRA's token table has a width of its own; a BERT's is as
# wide as its layers, which leaves out the projection between them.
_FIELDS = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob"),
    *("max_position_embeddings", "type_vocab_size", "initializer_range", "layer_norm_eps"),
    *("pad_token_id", "classifier_dropout"),
)


def as_electra(bert: BertModel) -> tuple[ElectraConfig, dict[str, Tensor]]:
    """Returns the configuration and the encoder's weights of an ELECTRA that computes the same.

    The two differ in their heads only: BERT's pooler has no counterpart and is left out.

    Args:
        bert: The encoder; its `last_hidden_state` will be that of the ELECTRA.
    """
    config = ElectraConfig(
        **{name: getattr(bert.config, name) for name in _FIELDS},
        embedding_size=bert.config.hidden_size,
    )
    state = {
        f"electra.{name}": tensor
        for name, tensor in bert.state_dict().items()
        if not name.startswith("pooler.")
    }
    return config, state
