"""Where a run starts from: hub names, folders and earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab import folder as files
from electralab.errors import UserError
from electralab.local_models import weights_damage

if TYPE_CHECKING:
    from electralab.config import Config, ModelConfig


@dataclass(frozen=True, kw_only=True)
class Origins:
    """What the names of a configuration point to.

    Attributes:
        model: Hub name or folder of the model; none: from scratch.
        generator: Hub name or folder of the generator.
        tokenizer_path: Hub name or folder of the tokenizer; none: to be trained.
        resumed: The record of the run to go on with.
        parents: Ids of the runs that this one starts from.
    """

    model: str | None
    generator: str | None
    tokenizer_path: str | None
    resumed: Any | None
    parents: tuple[str, ...]

    def tokenizer(self, model: ModelConfig) -> Any:
        """Returns the tokenizer, or the order to train one."""
        if self.tokenizer_path is None:
            from electralab.data.prepare import TrainTokenizer

            return TrainTokenizer(vocab_size=model.vocab_size, lowercase=model.lowercase)
        from electralab.models.tokenizers import load_tokenizer

        if model.tokenizer != "auto":
            return load_tokenizer(self.tokenizer_path)
        return load_tokenizer(
            self.tokenizer_path, key="model.name_or_path", revision=model.revision
        )


def find_origins(config: Config, *, store: Any, output_dir: Path) -> Origins:
    """Resolves the names of a configuration: folder first, then run, then hub.

    Raises:
        UserError: A prefix is ambiguous, or a run cannot be gone on with.
    """
    from electralab.tracking.records import find_run

    parents: list[str] = []

    def resolve(text: str | None, part: str, key: str) -> str | None:
        if text is None:
            return None
        if Path(text).is_dir() and not (Path(text) / files.IDENTITY).is_file():
            return _exported(Path(text), part)
        try:
            record = find_run(text, store=store, output_dir=output_dir)
        except UserError as error:
            if "/" in text or not _like_an_id(text):
                return text  # a hub name
            raise _under(key, error) from None
        parents.append(record.run_id)
        return str(record.folder / files.MODEL)

    model = resolve(config.model.name_or_path, "discriminator", "model.name_or_path")
    generator = resolve(
        config.model.generator.name_or_path, "generator", "model.generator.name_or_path"
    )
    tokenizer = config.model.tokenizer
    tokenizer_path = {"train": None, "auto": model}.get(tokenizer, tokenizer)
    if tokenizer not in ("train", "auto"):
        tokenizer_path = resolve(tokenizer, "encoder", "model.tokenizer")
    resumed = None
    if config.resume is not None:
        try:
            resumed = find_run(config.resume, store=store, output_dir=output_dir)
        except UserError as error:
            raise _under("resume", error) from None
        _check_checkpoint(resumed.folder)
    return Origins(
        model=model,
        generator=generator,
        tokenizer_path=tokenizer_path,
        resumed=resumed,
        parents=tuple(dict.fromkeys(parents)),
    )


def _under(key: str, error: UserError) -> UserError:
    """Returns an error with the key before its lines, of the same kind and exit status."""
    return type(error)(f"`{key}`: {line}" for line in error.problems)


def _check_checkpoint(folder: Path) -> None:
    checkpoint = files.last_checkpoint(folder)
    if checkpoint is None:
        raise UserError(
            f"`resume` must name a run with a checkpoint, but {folder} has none; start it again "
            "without `resume`."
        )
    if damage := weights_damage(checkpoint):
        raise UserError(
            f"`resume` must go on from a whole checkpoint, but {damage}; remove {checkpoint} to go "
            "on from the one before."
        )


def _exported(folder: Path, part: str) -> str:
    """Returns the fitting part of a folder that `electralab export` wrote, or the folder."""
    inner = folder / part
    return str(inner if not (folder / "config.json").is_file() and inner.is_dir() else folder)


def _like_an_id(text: str) -> bool:
    return len(text) >= 4 and all(letter in "0123456789abcdef" for letter in text)
