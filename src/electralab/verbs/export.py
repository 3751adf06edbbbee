"""`electralab export`: plain Hugging Face folders from the model of a run."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from electralab.errors import RunFailure, UserError, one_line
from electralab.verbs.common import find, finished_model, run_config, split_options
from electralab.verbs.model_card import FILE as CARD
from electralab.verbs.model_card import LOADERS, model_card

_TOKENIZER = "tokenizer_config.json"
_CUT = ("classification", "translation")  # tasks that cut texts off at `data.max_length`


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="electralab export",
        description="Writes the model of a run as plain Hugging Face folders. Of rtd: "
        "discriminator/ for ElectraForPreTraining, generator/ for AutoModelForMaskedLM, encoder/ "
        "for AutoModel. Of the other tasks FOLDER itself: for AutoModelForMaskedLM (mlm), "
        "AutoModelForSequenceClassification (classification), AutoModelForSeq2SeqLM (translation).",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, its id or the beginning of it")
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="made by the export; with --push, the folder of an earlier export of this run will do",
    )
    parser.add_argument("--push", metavar="NAME", help="upload the export to this hub repository")
    arguments, settings = split_options(parser, argv)
    if arguments.push:
        check_name(arguments.push)
    record = find(arguments.run, settings)
    source = finished_model(record.folder)
    config = run_config(record.folder)
    task = config["task"]["name"]
    target = Path(arguments.folder)
    if not (arguments.push and is_export(target, task=task, run_id=record.run_id)):
        longest = config["data"]["max_length"] if task in _CUT else None
        export(source, target, task=task, run_id=record.run_id, longest=longest)
    for part, loader in LOADERS[task].items():
        print(f"{target / part}  for {loader}.from_pretrained")
    if arguments.push:
        print(f"pushed to {push(target, arguments.push)}")
    else:
        words = ["electralab", "export", arguments.run, str(target), "--push", "NAME", *settings]
        print(f"next: {shlex.join(words)}", file=sys.stderr)
    return 0


def export(
    source: Path, target: Path, *, task: str, run_id: str, longest: int | None = None
) -> None:
    """Writes a run's model, or the parts of its pair, with tokenizer and model card.

    Args:
        source: The folder of the run's model.
        target: The folder to make; it is there whole or not at all.
        task: The task it was trained for.
        run_id: For the model cards.
        longest: Tokens at which `electralab predict` cuts texts off, for pipelines to do the same;
            none: what the tokenizer says.

    Raises:
        UserError: The model is damaged, or the target is in the way.
    """
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"FOLDER must not exist yet, but {target} does; choose another.")
    write = _pair(source) if task == "rtd" else _plain(source)
    parent, unfinished = target.absolute().parent, None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=parent, prefix=f".{target.name}-"))
        write(unfinished)
        if longest is not None:
            _cut_off_at(longest, unfinished, source=source)
        for part in LOADERS[task]:
            card = model_card(task, part, run_id=run_id)
            (unfinished / part / CARD).write_text(card, encoding="utf-8")
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


def _cut_off_at(longest: int, folder: Path, *, source: Path) -> None:
    """Writes into a tokenizer's configuration at how many tokens a text is cut off."""
    file = folder / _TOKENIZER
    try:
        config = {**json.loads(file.read_text(encoding="utf-8")), "model_max_length": longest}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{source} must hold a {_TOKENIZER} that can be read: {one_line(error)}."
        ) from error
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def is_export(folder: Path, *, task: str, run_id: str) -> bool:
    """Says whether a folder holds a whole export of a run, by its model cards."""
    for part in LOADERS[task]:
        card = folder / part / CARD
        if not any((folder / part).glob("*.safetensors")) or not card.is_file():
            return False
        if f"`{run_id}`" not in card.read_text(encoding="utf-8", errors="replace"):
            return False
    return True


def _plain(source: Path) -> Callable[[Path], None]:
    """Returns what copies a model's folder, which is one of Hugging Face already."""
    from safetensors import SafetensorError, safe_open

    for file in sorted(source.glob("*.safetensors")):
        try:
            with safe_open(file, "pt"):  # looks whether all is there
                pass
        except (SafetensorError, OSError) as error:
            raise UserError(f"{source} must hold a whole model: {one_line(error)}.") from error
    for file in sorted(source.rglob("*")):
        inside = file.resolve().is_relative_to(source.resolve())
        if not inside or not (file.is_file() or file.is_dir()):  # what is elsewhere stays there
            raise UserError(f"{source} must hold files of its own alone, but {file} is not one.")
    return lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True)


def _pair(source: Path) -> Callable[[Path], None]:
    """Returns what writes the parts of a pair."""
    from transformers import ElectraForMaskedLM

    from electralab.models.loading import load_whole_pair
    from electralab.models.tokenizers import load_tokenizer
    from electralab.training.determinism import quiet_libraries

    quiet_libraries()
    pair, tokenizer = load_whole_pair(source), load_tokenizer(str(source), key="RUN")

    def write(folder: Path) -> None:
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

    return write


def check_name(name: str) -> None:
    """Refuses what no hub repository can be called, before anything is written.

    Raises:
        UserError: With the hub's own reason.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UserError(
            f"--push must be NAME or OWNER/NAME, but is {name!r}: {one_line(error)}"
        ) from error


def push(folder: Path, name: str) -> str:
    """Uploads an export to a hub repository, which is made private if it does not exist.

    The token is the hub's own (``hf auth login`` or ``HF_TOKEN``); the endpoint is ``HF_ENDPOINT``.

    Raises:
        UserError: The hub refuses the token.
        RunFailure: The hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        api.create_repo(name, private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, commit_message="Add a model by Electralab"
        )
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
