"""What a run starts from, so that a rerun can tell whether it is still the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from electralab.data import hub
from electralab.errors import UserError
from electralab.running import folder as files

if TYPE_CHECKING:
    from electralab.config import Config
    from electralab.running.origins import Origins
    from electralab.running.part import Part

_MODEL = ("config.json", *files.WEIGHTS, *files.TOKENIZER)  # what of a model's folder counts


def starting_points(config: Config, origins: Origins) -> dict[str, str | None]:
    """Returns what the hub's data, the model, the generator and the tokenizer are, by these names.

    That is the commit of a repository of the hub, and a SHA-256 of a folder's files.

    Args:
        config: The run's configuration.
        origins: What its names mean.
    """
    found = {}
    data, revision = config.data, config.model.revision
    if data.source == "hub" and not Path(data.name or "").expanduser().is_dir():
        found["data"] = hub.commit(data.name or "", data.revision, kind="dataset")
    parts = {"model": origins.model, "generator": origins.generator}
    if origins.tokenizer_path != origins.model:
        parts["tokenizer"] = origins.tokenizer_path
    for part, name in parts.items():
        if name is None:
            continue
        if Path(name).is_dir():
            found[part] = files.digest(Path(name), _MODEL)
        else:
            found[part] = hub.commit(name, None if part == "tokenizer" else revision, kind="model")
    return found


def check_fingerprint(part: Part, fingerprint: str) -> None:
    """Refuses other data than a run must have, before it has a folder or a record.

    Args:
        part: Says which, if any.
        fingerprint: That of the prepared data.

    Raises:
        UserError: It is another one.
    """
    if part.data_fingerprint not in (None, fingerprint):
        raise UserError(
            "RUN must be run again with the examples that it had, but these are others, though no "
            "file of the data has changed: what reads, cleans, splits or tokenises them has; "
            "install the code and the packages that it ran with, or start a new run with an "
            "override, such as name=again."
        )
