"""Where a run starts from: hub names, folders and earlier runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from electralab.checking.local_models import LocalModel
from electralab.checking.model_checks import PART
from electralab.errors import UserError
from electralab.machine import spare_the_hub
from electralab.running import folder as files
from electralab.running.resuming import Resumed, find_resumed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from electralab.config import Config, ModelConfig
    from electralab.data.prepare import TrainTokenizer
    from electralab.tracking.store import Store


@dataclass(frozen=True, kw_only=True)
class Origins:
    """What the names of a configuration point to.

    Attributes:
        model: Hub name or folder of the model; none: from scratch.
        generator: Hub name or folder of the generator, which only `rtd` has.
        tokenizer_path: Hub name or folder of the tokenizer; none: to be trained.
        resumed: The run to go on with.
        parents: Ids of the runs that this one starts from.
    """

    model: str | None
    generator: str | None
    tokenizer_path: str | None
    resumed: Resumed | None
    parents: tuple[str, ...]

    def tokenizer(
        self, model: ModelConfig, *, task: str
    ) -> PreTrainedTokenizerBase | TrainTokenizer:
        """Returns the tokenizer, or the order to train one.

        Args:
            model: The keys of `model`.
            task: Name of the task, which says what a tokenizer must have.

        Raises:
            UserError: It cannot be loaded, lacks what is needed, or the model reads other ids.
        """
        translation = task == "translation"
        if self.tokenizer_path is None:
            from electralab.data.prepare import TrainTokenizer

            return TrainTokenizer(
                vocab_size=model.vocab_size,
                lowercase=model.lowercase,
                kind="bpe" if translation else "wordpiece",
            )
        from electralab.models.tokenizers import check_vocabularies, load_tokenizer, needs_of

        auto = model.tokenizer == "auto"
        found = load_tokenizer(
            self.tokenizer_path,
            key="model.name_or_path" if auto else "model.tokenizer",
            revision=model.revision if auto else None,
            needs=needs_of(task),
            slow=translation,
        )
        check_vocabularies(
            found, model=self.model, generator=self.generator, revision=model.revision
        )
        return found


def find_origins(config: Config, *, store: Store, output_dir: Path) -> Origins:
    """Resolves the names of a configuration: folder first, then run, then hub.

    Raises:
        UserError: A prefix is ambiguous, or a run cannot be gone on with.
    """
    from electralab.tracking.records import find_run

    parents: list[str] = []

    def resolve(text: str | None, part: str, key: str) -> str | None:
        if text is None:
            return None
        place = Path(os.path.expanduser(text))
        if place.is_dir() and not (place / files.IDENTITY).is_file():
            return str(LocalModel(place, part).place)
        try:
            record = find_run(str(place), store=store, output_dir=output_dir)
        except UserError as error:
            if "/" in text or not _like_an_id(text):
                spare_the_hub()
                return text  # a hub name
            raise type(error)(f"`{key}`: {line}" for line in error.problems) from None
        parents.append(record.run_id)
        return str(record.folder / files.MODEL)

    part = PART.get(config.task.name, "discriminator")
    model = resolve(config.model.name_or_path, part, "model.name_or_path")
    # A model's file may name the other half of its pair, which the other tasks have no use for.
    named = config.model.generator.name_or_path if config.task.name == "rtd" else None
    generator = resolve(named, "generator", "model.generator.name_or_path")
    tokenizer = config.model.tokenizer
    if tokenizer == "train":
        tokenizer_path = None
    elif tokenizer == "auto":
        tokenizer_path = model
    else:
        tokenizer_path = resolve(tokenizer, "encoder", "model.tokenizer")
    return Origins(
        model=model,
        generator=generator,
        tokenizer_path=tokenizer_path,
        resumed=find_resumed(config, store=store),
        parents=tuple(dict.fromkeys(parents)),
    )


def _like_an_id(text: str) -> bool:
    return len(text) >= 4 and all(letter in "0123456789abcdef" for letter in text)
