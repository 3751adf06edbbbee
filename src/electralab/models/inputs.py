"""What a model can be given of what a tokenizer makes."""

from __future__ import annotations

import inspect

from transformers import PreTrainedModel, PreTrainedTokenizerBase


def input_names(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Returns the names of a model's inputs.

    Some tokenizers mark the texts of a pair by types of which their model has only one, as that of
    `klue/roberta-base` does; such types are left out.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
    """
    names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    takes = "token_type_ids" in inspect.signature(model.forward).parameters
    # Without a word on it in the configuration, taking them means having two.
    if takes and getattr(model.config, "type_vocab_size", 2) > 1:
        names += [name for name in tokenizer.model_input_names if name == "token_type_ids"]
    return names
