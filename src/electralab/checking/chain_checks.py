"""What the configuration of a chain says that cannot work."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from electralab.chain_config import (
    GROUPS,
    adaptation,
    adapted_model,
    fine_tuning,
    in_stages,
    unadapted_model,
)
from electralab.checking.local_models import open_model
from electralab.checking.objectives import objective_problems
from electralab.checking.rules import Rule, ask
from electralab.errors import UserError
from electralab.tracking.records import find_run

if TYPE_CHECKING:
    from electralab.config import Chain, Config

# What both arms share besides their start; all else of a model comes from the adaptation.
_OWN = ("name_or_path", "revision", "dropout", "attention")
_HELD = ("finetune.data.split.validation", "finetune.data.split.test")
_AUTO = {
    "architecture": "electra",
    "tokenizer": "auto",
    "lowercase": True,
    "initializer_range": 0.02,
}


def chain_problems(
    chain: Chain, *, memo: dict[str, list[str]], refused: Collection[str]
) -> Iterator[str]:
    """Yields a line a problem: those of each stage's runs, and those between the stages.

    Args:
        chain: A typed configuration.
        memo: As for `checks.problems`.
        refused: Likewise.
    """
    seeds = chain.finetune.seeds
    start = {"task": "finetune", "data": "finetune", "trainer": "finetune", "model": "adapt"}
    adapt, finetune = dict.fromkeys(GROUPS, "adapt"), dict.fromkeys(GROUPS, "finetune")
    yield from _of_a_run(adaptation(chain), adapt, memo=memo, refused=refused)
    unadapted = fine_tuning(chain, model=unadapted_model(chain), seed=seeds[0])
    yield from _of_a_run(unadapted, start, memo=memo, refused=refused)
    if name := chain.finetune.model.name_or_path:
        adapted = fine_tuning(chain, model=adapted_model(chain, name), seed=seeds[0])
        yield from _of_a_run(adapted, finetune, memo=memo, refused=refused)
    rules: list[Rule] = [
        (("finetune.model",), _sizes(chain)),
        (("finetune.seeds",), _seeds(seeds)),
        (("adapt.task.name", "adapt.model.name_or_path"), _half_of_a_pair(chain)),
        (_HELD, _measured(chain)),
        (("objective", "finetune.task.problem", *_HELD), objective_problems(chain)),
        (("resume",), _resume(chain)),
    ]
    yield from ask(rules, refused=refused)


def _of_a_run(
    config: Config,
    stages: dict[str, str],
    *,
    memo: dict[str, list[str]],
    refused: Collection[str],
) -> Iterator[str]:
    from electralab.checking import checks

    own = [key for key in refused if not key.startswith(("adapt.", "finetune."))]
    for group, stage in stages.items():
        node = f"{stage}.{group}"
        inside = (key for key in refused if key == node or key.startswith(f"{node}."))
        own += [key.removeprefix(f"{stage}.") for key in inside]
    for line in checks.problems(config, memo=memo, refused=own):
        yield in_stages(line, stages)


def _sizes(chain: Chain) -> Iterator[str]:
    model = chain.finetune.model.model_dump()
    given = {name: value for name, value in model.items() if name not in ("generator", *_OWN)}
    given |= {f"generator.{name}": value for name, value in model["generator"].items()}
    for of_a_pair in ("share_embeddings", "generator.name_or_path"):
        given.pop(of_a_pair)  # which is not fine-tuned
    set_here = [name for name, value in given.items() if value not in (None, _AUTO.get(name))]
    if set_here:
        yield (
            "`finetune.model` must be auto, for sizes and tokenizer come from `adapt.model`, but "
            f"{', '.join(set_here)} {'are' if len(set_here) > 1 else 'is'} set; choose "
            "finetune.model=auto."
        )


def _seeds(seeds: list[int]) -> Iterator[str]:
    if len(set(seeds)) < len(seeds):
        yield f"`finetune.seeds` must name each seed once, but is {seeds} instead."


def _half_of_a_pair(chain: Chain) -> Iterator[str]:
    name = chain.adapt.model.name_or_path
    try:
        folder = find_run(name or "", store=None, output_dir=chain.output_dir).folder
    except UserError:  # no run, as most names
        folder = name
    local = open_model(folder and str(folder), "generator")
    if chain.adapt.task.name == "mlm" and local is not None and local.is_pair:
        yield (
            "`adapt.model.name_or_path` must be one network for adapt.task=mlm in a chain, but "
            f"{name} is a pair, whose generator would be adapted and whose discriminator compared; "
            "export it and name its encoder or generator."
        )


def _measured(chain: Chain) -> Iterator[str]:
    split = chain.finetune.data.split
    if split.validation in (None, 0) and split.test in (None, 0):
        yield (
            "`finetune.data.split.test` must be a share or a file where the validation split is "
            "null: nothing would be compared."
        )


def _resume(chain: Chain) -> Iterator[str]:
    if chain.resume is not None:
        yield (
            f"`resume` must be null for a chain, but is {chain.resume!r} instead; the same command "
            "goes on where it stopped."
        )
