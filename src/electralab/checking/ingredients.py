"""What a metric is made of besides the model: settings that move it whatever was learned.

Runs that differ in such a setting are not comparable by that metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electralab.checking.local_models import LocalTokenizer, open_model
from electralab.data.roles import columns
from electralab.errors import UserError

if TYPE_CHECKING:
    from electralab.config import Config

Holds = Callable[["Config", str], bool]  # of a configuration and the split that is measured


def _always(config: Config, split: str) -> bool:
    return True


def _is_share(config: Config, split: str) -> bool:
    return not isinstance(getattr(config.data.split, split), str)


def _trained_tokenizer(config: Config, split: str) -> bool:
    return config.model.tokenizer == "train"


@dataclass(frozen=True)
class Ingredient:
    """Settings that move metrics.

    Attributes:
        tasks: The names of the tasks, with blanks between.
        metrics: Without ``eval_`` or ``test_``; none: all of the task.
        because: What the settings do, to stand between a metric and their keys in a sentence.
        keys: With dots; a node stands for all of its keys.
        holds: Where else it depends on the configuration.
    """

    tasks: str
    metrics: frozenset[str]
    because: str
    keys: tuple[str, ...]
    holds: Holds = _always


_EVERY = "rtd mlm classification translation"
_ALL: frozenset[str] = frozenset()
_LOSS = frozenset({"loss"})
_PROBE = frozenset({"probe_auc", "probe_auc_low", "probe_auc_high"})
# Measured on what the run's own generator proposes: a poor one makes it easy.
_FAKES = frozenset(
    {"loss", "disc_loss", "disc_accuracy", "disc_balanced_accuracy", "disc_precision"}
    | {"disc_recall", "replaced_rate", "disc_auc", "disc_auc_low", "disc_auc_high"}
)
_OF_TOKENS = frozenset({"loss", "generated_length"})  # of a translation; its scores are of texts
_OF_TRAIN = ("data.path", "data.split.train", "data.split.seed")
_OF_TRAIN += ("data.split.validation", "data.split.test")
_OF_ANY_SPLIT = ("data.source", "data.name", "data.subset", "data.revision", "data.limit")
_OF_ANY_SPLIT += ("data.clean.drop_empty", "data.clean.drop_duplicates")
_OF_ANY_SPLIT += ("data.clean.min_characters", "data.clean.max_characters")
_OF_GENERATOR = ("task.temperature", "task.gen_weight", "model.generator")
_OF_GENERATOR += ("model.share_embeddings", "model.embedding_size")

_TOKENS = "is measured on tokens that change with"
_ROWS = "is measured on rows that change with"
_SPLIT = "is measured on a split that changes with"
_REPLACED = "is measured on replacements that change with"

INGREDIENTS = (
    Ingredient(_EVERY, _ALL, "means something else with", ("task.name",)),
    Ingredient("rtd", _LOSS, "is weighted by", ("task.disc_weight", "task.gen_weight")),
    Ingredient("classification", _LOSS, "is weighted by", ("task.class_weights",)),
    Ingredient("rtd mlm", _ALL, "is measured at", ("task.eval_mask_prob",)),
    # The generator.
    Ingredient(
        "rtd",
        _FAKES,
        _REPLACED,
        _OF_GENERATOR,
    ),
    Ingredient(
        "rtd",
        _FAKES,
        _REPLACED,
        ("model.hidden_size", "model.num_attention_heads"),  # of which it has a quarter
        lambda config, split: (
            None in (config.model.generator.hidden_size, config.model.generator.num_attention_heads)
        ),
    ),
    Ingredient(
        "rtd",
        _FAKES,
        _REPLACED,
        ("model.num_hidden_layers",),
        lambda config, split: config.model.generator.num_hidden_layers is None,
    ),
    Ingredient(
        "rtd",
        _FAKES,
        _REPLACED,
        ("model.name_or_path", "model.revision"),  # a pair brings its own
        lambda config, split: config.model.generator.name_or_path is None,
    ),
    # The fixed corruption draws from the tokens of the train split.
    Ingredient("rtd", _PROBE, _REPLACED, _OF_TRAIN),
    # The tokens.
    Ingredient("rtd mlm", _ALL, _TOKENS, ("model.tokenizer",)),
    Ingredient("translation", _OF_TOKENS, _TOKENS, ("model.tokenizer",)),
    *(
        Ingredient(tasks, metrics, _TOKENS, keys, holds)
        for tasks, metrics in (("rtd mlm", _ALL), ("translation", _OF_TOKENS))
        for keys, holds in (
            (("model.vocab_size", "model.lowercase", *_OF_TRAIN), _trained_tokenizer),
            (
                ("model.name_or_path", "model.revision"),
                lambda config, split: config.model.tokenizer == "auto",
            ),
        )
    ),
    # The rows: labelled ones are cut too, but each still counts once and has its own label.
    Ingredient("rtd mlm", _ALL, _ROWS, ("data.max_length", "data.packing")),
    Ingredient("translation", _LOSS, _ROWS, ("data.max_target_length",)),
    Ingredient(
        "translation",
        _LOSS,
        _ROWS,
        ("data.max_length",),
        lambda config, split: config.data.max_target_length is None,
    ),
    # The split.
    Ingredient(
        _EVERY,
        _ALL,
        _SPLIT,
        _OF_ANY_SPLIT,
    ),
    Ingredient("classification", _ALL, _SPLIT, ("data.clean.drop_stray_labels",)),
    Ingredient(
        _EVERY, _ALL, _SPLIT, ("data.unit",), lambda config, split: config.data.source == "text"
    ),
    Ingredient(
        _EVERY, _ALL, _SPLIT, ("data.path", "data.split.train", "data.split.seed"), _is_share
    ),
    Ingredient(
        _EVERY,
        _ALL,
        _SPLIT,
        ("data.split.validation",),  # whose share is taken first
        lambda config, split: split == "validation" or _is_share(config, "test"),
    ),
    Ingredient(_EVERY, _ALL, _SPLIT, ("data.split.test",), lambda config, split: split == "test"),
    # The classes.
    Ingredient(
        "classification",
        _ALL,
        "is measured on classes that change with",
        ("task.problem", "task.labels"),
    ),
    Ingredient(
        "classification",
        _ALL,
        "is measured on classes that change with",
        ("task.label_separator",),
        lambda config, split: config.task.problem == "multi_label",
    ),
    Ingredient(
        "classification", frozenset({"f1", "precision", "recall"}), "is averaged by",
        ("task.average",),
    ),
)  # fmt: skip


def moved_by(
    metric: str, configs: Sequence[Config], *, split: str, differing: Sequence[str]
) -> tuple[str, list[str]] | None:
    """Says what among the settings that differ between runs moves a metric by itself.

    Args:
        metric: Without ``eval_`` or ``test_``.
        configs: Of the runs.
        split: ``validation`` or ``test``.
        differing: The keys that they do not have in common.

    Returns:
        What the settings do, and their keys; none: the runs are comparable.
    """
    for ingredient in _of(configs, metric=metric, split=split):
        found = [key for key in differing if _inside(key, ingredient.keys)]
        if ingredient.because == _TOKENS and _same_pieces(configs):
            found = [key for key in found if not key.startswith("model.")]
        if found:
            return ingredient.because, found
    return None


def _of(configs: Sequence[Config], *, metric: str, split: str) -> Iterator[Ingredient]:
    for ingredient in INGREDIENTS:
        if ingredient.metrics and metric not in ingredient.metrics:
            continue
        if any(
            config.task.name in ingredient.tasks.split() and ingredient.holds(config, split)
            for config in configs
        ):
            yield ingredient
    for config in configs[:1]:
        roles = columns(config.task.name, config.data)
        yield Ingredient("", _ALL, _SPLIT, tuple(f"data.columns.{role}" for role in roles))


def _inside(key: str, nodes: Sequence[str]) -> bool:
    return any(key == node or key.startswith(f"{node}.") for node in nodes)


def _same_pieces(configs: Sequence[Config]) -> bool:
    """Says whether all take tokenizers from files that hold the same pieces."""
    found = [_pieces(config) for config in configs]
    return bool(found[0]) and all(pieces == found[0] for pieces in found)


def _pieces(config: Config) -> dict[str, int]:
    from electralab.tracking.records import find_run

    name = config.model.tokenizer
    name = config.model.name_or_path if name == "auto" else name
    if name in (None, "train"):
        return {}
    try:
        folder = find_run(name, store=None, output_dir=config.output_dir).folder
    except UserError:  # no run, as most names
        folder = name
    local = open_model(str(folder), "discriminator")
    return LocalTokenizer(local.place).vocabulary if local else {}
