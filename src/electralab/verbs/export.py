"""`electralab export`: plain Hugging Face folders from the pair of a run."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from electralab import folder as files
from electralab.errors import RunFailure, UserError, one_line
from electralab.verbs.common import find, split_options

PARTS = {
    "discriminator": "ElectraForPreTraining",
    "generator": "AutoModelForMaskedLM",
    "encoder": "AutoModel",
}


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab export",
        description="Writes the model of a run as plain Hugging Face folders: discriminator/ for "
        "ElectraForPreTraining, generator/ for AutoModelForMaskedLM, encoder/ for AutoModel.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument("folder", metavar="FOLDER", help="made by the export; must not exist yet")
    parser.add_argument("--push", metavar="NAME", help="upload the export to this hub repository")
    arguments, settings = split_options(parser, argv)
    record = find(arguments.run, settings)
    target = Path(arguments.folder)
    export(record.folder, target, run_id=record.run_id)
    for part, loader in PARTS.items():
        print(f"{target / part}  for {loader}.from_pretrained")
    if arguments.push:
        print(f"pushed to {push(target, arguments.push)}")
    else:
        print(f"next: electralab export {arguments.run} {target} --push NAME", file=sys.stderr)
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
    source = run_folder / files.MODEL
    if not (source / "config.json").is_file():
        raise UserError(
            f"RUN must have finished, but {run_folder} has no {files.MODEL}/ with a model; go on "
            f"with it: electralab resume {run_folder}"
        )
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"FOLDER must not exist yet, but {target} does; choose another.")
    parent = target.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{target.name}-") as unfinished:
            _write(source, Path(unfinished), run_id=run_id)
            shutil.rmtree(target, ignore_errors=True)
            os.rename(unfinished, target)
            os.makedirs(unfinished)  # what the context manager is going to remove
        target.chmod(0o755)
    except OSError as error:
        raise UserError(
            f"FOLDER must be a place that can be written, but {target} is not "
            f"({error.strerror or one_line(error)}); choose another."
        ) from error


def _write(source: Path, folder: Path, *, run_id: str) -> None:
    from transformers import ElectraForMaskedLM, logging

    from electralab.models.loading import load_whole_pair
    from electralab.models.tokenizers import load_tokenizer

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pair = load_whole_pair(source)
    tokenizer = load_tokenizer(str(source), key="RUN")
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
        (folder / name / "README.md").write_text(_card(name, run_id=run_id), encoding="utf-8")


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
    import httpx
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
    except (httpx.HTTPError, OSError) as error:
        raise RunFailure(
            f"--push {name}: the hub at {api.endpoint} cannot be reached ({type(error).__name__}). "
            f"The export itself is in {folder}."
        ) from error
    return f"{api.endpoint}/{name}"
