"""`electralab export`: plain Hugging Face folders from the pair of a run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from electralab.checking.local_models import WEIGHTS
from electralab.errors import RunFailure, UserError, one_line
from electralab.verbs.common import find, finished_model, split_options

PARTS = {
    "discriminator": "ElectraForPreTraining",
    "generator": "AutoModelForMaskedLM",
    "encoder": "AutoModel",
}
_CARD = "README.md"


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab export",
        description="Writes the model of a run as plain Hugging Face folders: discriminator/ for "
        "ElectraForPreTraining, generator/ for AutoModelForMaskedLM, encoder/ for AutoModel.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="made by the export; with --push, the folder of an earlier export of this run will do",
    )
    parser.add_argument("--push", metavar="NAME", help="upload the export to this hub repository")
    arguments, settings = split_options(parser, argv)
    record = find(arguments.run, settings)
    target = Path(arguments.folder)
    if not (arguments.push and is_export(target, run_id=record.run_id)):
        export(record.folder, target, run_id=record.run_id)
    for part, loader in PARTS.items():
        print(f"{target / part}  for {loader}.from_pretrained")
    if arguments.push:
        print(f"pushed to {push(target, arguments.push)}")
    else:
        words = ["electralab", "export", arguments.run, str(target), "--push", "NAME", *settings]
        print(f"next: {shlex.join(words)}", file=sys.stderr)
    return 0


def export(run_folder: Path, target: Path, *, run_id: str) -> None:
    """Writes the parts of a run's pair, each with its tokenizer and a model card.

    Args:
        run_folder: A folder of a finished run.
        target: The folder to make; it is there whole or not at all.
        run_id: For the model cards.

    Raises:
        UserError: The run has no model, or the target is in the way.
    """
    source = finished_model(run_folder)
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"FOLDER must not exist yet, but {target} does; choose another.")
    pair, tokenizer = _load(source)
    parent, unfinished = target.absolute().parent, None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=parent, prefix=f".{target.name}-"))
        _write(pair, tokenizer, unfinished, run_id=run_id)
        unfinished.chmod(0o755)  # a temporary folder is private
        shutil.rmtree(target, ignore_errors=True)
        os.rename(unfinished, target)
    except OSError as error:
        raise UserError(
            f"FOLDER must be a place that can be written, but {target} is not "
            f"({error.strerror or one_line(error)}); choose another."
        ) from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)


def is_export(folder: Path, *, run_id: str) -> bool:
    """Says whether a folder holds a whole export of a run, by its model cards."""
    for part in PARTS:
        card = folder / part / _CARD
        if not (folder / part / WEIGHTS).is_file() or not card.is_file():
            return False
        if f"`{run_id}`" not in card.read_text(encoding="utf-8", errors="replace"):
            return False
    return True


def _load(source: Path) -> tuple[Any, Any]:
    from transformers import logging

    from electralab.models.loading import load_whole_pair
    from electralab.models.tokenizers import load_tokenizer

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return load_whole_pair(source), load_tokenizer(str(source), key="RUN")


def _write(pair: Any, tokenizer: Any, folder: Path, *, run_id: str) -> None:
    from transformers import ElectraForMaskedLM

    config = pair.config.generator
    config.tie_word_embeddings = True
    generator = ElectraForMaskedLM(config)
    generator.load_state_dict(pair.generator.state_dict())
    parts: dict[str, Any] = {
        "discriminator": pair.discriminator,
        "generator": generator,
        "encoder": pair.discriminator.electra,
    }
    for name, model in parts.items():
        model.config.architectures = [type(model).__name__]
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        (folder / name / _CARD).write_text(_card(name, run_id=run_id), encoding="utf-8")


def _card(part: str, *, run_id: str) -> str:
    """Returns a model card."""
    loader = PARTS[part]
    what = {
        "discriminator": "tells which tokens of a text were replaced",
        "generator": "fills in masked tokens; it is small, and serves to train the discriminator",
        "encoder": "is the discriminator without its head, ready to be fine-tuned",
    }[part]
    return f"""---
library_name: transformers
tags: [electra, replaced-token-detection, electralab]
---

# ELECTRA {part}

This {part} {what}.
It was trained by replaced token detection (Clark et al. 2020) with Electralab, in run `{run_id}`.

```python
from transformers import AutoTokenizer, {loader}

tokenizer = AutoTokenizer.from_pretrained("{part}")
model = {loader}.from_pretrained("{part}")
```
"""


def push(folder: Path, name: str) -> str:
    """Uploads an export to a hub repository, which is made private if it does not exist.

    The token is the hub's own (``hf auth login`` or ``HF_TOKEN``); the endpoint is ``HF_ENDPOINT``.

    Raises:
        UserError: The hub refuses the name or the token.
        RunFailure: The hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, commit_message="Add an ELECTRA by Electralab"
        )
    except HFValidationError as error:
        raise UserError(f"--push must be NAME or OWNER/NAME, but is {name!r}: {error}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        raise UserError(
            f"--push {name}: the hub answered {status}; log in with `hf auth login` or set "
            f"HF_TOKEN. The export itself is in {folder}."
        ) from error
    except Exception as error:  # the hub's client wraps one HTTP library or another
        raise RunFailure(
            f"--push {name}: the hub at {api.endpoint} cannot be used ({type(error).__name__}: "
            f"{one_line(error)}). The export itself is in {folder}."
        ) from error
    return f"{api.endpoint}/{name}"
