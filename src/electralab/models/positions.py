"""How many tokens a model can read, and how it counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Positions are counted from behind the pad token's id, so that 514 serve 512 tokens.
_BEHIND_PAD = (
    *("roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "xmod"),
    *("longformer", "luke", "mpnet", "ibert", "data2vec-text", "esm"),
)


def usable_positions(config: Mapping[str, Any]) -> int | None:
    """Returns the longest row that a model can read, in tokens; none: there is no limit.

    Args:
        config: Its ``config.json``, or `to_dict` of its configuration.
    """
    most = config.get("max_position_embeddings")
    if not isinstance(most, int) or isinstance(most, bool):
        return None  # relative positions, as in T5
    if config.get("position_biased_input") is False:
        return None  # DeBERTa's are relative as well, with a table that clips
    return most - first_position(config.get("model_type"), config.get("pad_token_id"))


def first_position(model_type: str | None, pad_token_id: int | None) -> int:
    """Returns the position of a row's first token, as fields of a configuration say it."""
    if model_type not in _BEHIND_PAD:
        return 0
    return (1 if pad_token_id is None else pad_token_id) + 1
