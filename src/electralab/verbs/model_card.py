"""Model cards of exports."""

from __future__ import annotations

FILE = "README.md"

# How each folder of an export is loaded; the only one of a task lies at the top.
LOADERS = {
    "rtd": {
        "discriminator": "ElectraForPreTraining",
        "generator": "AutoModelForMaskedLM",
        "encoder": "AutoModel",
    },
    "mlm": {".": "AutoModelForMaskedLM"},
    "classification": {".": "AutoModelForSequenceClassification"},
    "translation": {".": "AutoModelForSeq2SeqLM"},
}
_PIPELINES = {
    "generator": "fill-mask",
    "mlm": "fill-mask",
    "classification": "text-classification",
    "translation": "translation",
}
_TITLES = {
    "discriminator": "ELECTRA discriminator",
    "generator": "ELECTRA generator",
    "encoder": "ELECTRA encoder",
    "mlm": "Masked language model",
    "classification": "Text classifier",
    "translation": "Translation model",
}
_WHAT = {
    "discriminator": "This discriminator tells which tokens of a text were replaced.",
    "generator": "This generator fills in masked tokens; it is small, and serves to train the "
    "discriminator.",
    "encoder": "This encoder is the discriminator without its head, ready to be fine-tuned.",
    "mlm": "This model fills in masked tokens.",
    "classification": "This model says which class a text, or a pair of texts, belongs to, or what "
    "its score is.",
    "translation": "This model translates from one language to another.",
}
_HOW = {
    "rtd": "by replaced token detection (Clark et al. 2020)",
    "mlm": "by masked language modelling (Devlin et al. 2019)",
    "classification": "by fine-tuning on labelled texts",
    "translation": "on pairs of sentences",
}
_TAGS = {"rtd": "electra, replaced-token-detection, electralab"}


def model_card(task: str, part: str, *, run_id: str) -> str:
    """Returns the card of a folder of an export.

    Args:
        task: Name of the task.
        part: Name of the folder, as in `LOADERS`.
        run_id: The run that trained it.
    """
    loader = LOADERS[task][part]
    kind, folder = (task, "FOLDER") if part == "." else (part, part)
    pipeline = _PIPELINES.get(kind)
    tag = f"pipeline_tag: {pipeline}\n" if pipeline else ""
    return f"""---
library_name: transformers
{tag}tags: [{_TAGS.get(task, "electralab")}]
---

# {_TITLES[kind]}

{_WHAT[kind]}
It was trained {_HOW[task]} with Electralab, in run `{run_id}`.

```python
from transformers import AutoTokenizer, {loader}

tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = {loader}.from_pretrained("{folder}")
```
{_example(kind, folder)}"""


def _example(kind: str, folder: str) -> str:
    pipeline = _PIPELINES.get(kind)
    if pipeline is None:
        return ""
    if kind == "translation":  # Transformers 5 has no such pipeline any more
        return """
```python
batch = tokenizer(["A sentence to translate."], return_tensors="pt")
tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True)
```
"""
    text = "f'A text with a {tokenizer.mask_token}.'" if pipeline == "fill-mask" else "'A text.'"
    return f"""
```python
from transformers import pipeline

pipeline("{pipeline}", model="{folder}")({text})
```
"""
