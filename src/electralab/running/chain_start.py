"""Where the unadapted arm of a chain starts."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.chain_config import adaptation, adapted_model, fine_tuning
from electralab.running import folder as files
from electralab.running.origins import find_origins

if TYPE_CHECKING:
    from electralab.config import Chain

_KEY = "model.name_or_path"


def unadapted_start(chain: Chain, *, adapted: str) -> str | None:
    """Returns a folder that stands for the start of the adaptation; none: the start itself does.

    From scratch, it holds the tokenizer that the adapted model has. A BERT that replaced token
    detection reads as an ELECTRA is read so here too, for both arms to have the same head.

    Args:
        chain: The chain.
        adapted: The run that adapted, or what `finetune.model` names in its place.
    """
    from electralab.tracking.store import open_store

    output_dir = Path(chain.output_dir).absolute()
    store = open_store(chain.tracking, output_dir=output_dir, create=False)
    with tempfile.TemporaryDirectory(prefix="electralab-") as name:
        folder = Path(name, "start")
        if chain.adapt.model.name_or_path is None:
            config = fine_tuning(chain, model=adapted_model(chain, adapted), seed=chain.seed)
            origins = find_origins(config, store=store, output_dir=output_dir)
        else:
            config = adaptation(chain)
            origins = find_origins(config, store=store, output_dir=output_dir)
            revision = config.model.revision
            if config.task.name != "rtd" or not _is_bert(origins.model, revision=revision):
                return None
            _save_as_electra(origins.model, folder, revision=revision)
        origins.tokenizer(config.model, task=config.task.name).save_pretrained(folder)
        return str(_kept(folder, output_dir / files.CACHE / "starts"))


def _is_bert(name_or_path: str, *, revision: str | None) -> bool:
    from electralab.models.loading import is_pair, load_config

    if is_pair(name_or_path):
        return False
    return load_config(name_or_path, key=_KEY, revision=revision).model_type == "bert"


def _save_as_electra(bert: str, folder: Path, *, revision: str | None) -> None:
    from transformers import ElectraForPreTraining

    from electralab.models.loading import load_electra

    model = load_electra(ElectraForPreTraining, bert, key=_KEY, revision=revision)
    model.electra.save_pretrained(folder)


def _kept(folder: Path, parent: Path) -> Path:
    """Moves a folder to a place named by its content, where it stays as it is once it is there."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        with open(file, "rb") as stream:
            while part := stream.read(1 << 20):
                digest.update(part)
    place = parent / digest.hexdigest()[:16]
    if not place.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=parent, prefix="."))
        shutil.copytree(folder, unfinished, dirs_exist_ok=True)
        try:
            os.rename(unfinished, place)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return place
