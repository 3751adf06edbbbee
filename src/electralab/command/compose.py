"""Composing what a command means, every point of it, before Hydra's own job starts."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection
from functools import cached_property
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from electralab.checking import launcher_checks
from electralab.checking.search_checks import is_search
from electralab.command import guard, hydra_messages, stages
from electralab.command.composition import Composition, Point
from electralab.command.plain_files import look_at_files
from electralab.command.resolve import few_interpolations, resolved
from electralab.command.space import (
    Dimension,
    corners,
    dimensions,
    grid,
    is_empty,
    overrides_of,
    sweep_fault,
    too_many,
)
from electralab.command.words import as_typed, opened
from electralab.config import is_chain
from electralab.errors import UserError

INTERVAL = ValueType.INTERVAL_SWEEP
CONFIG_PATH, CONFIG_NAME = "pkg://electralab.conf", "config"


def search_path(
    *, config_path: str | None = None, config_dir: str | None = None
) -> ConfigSearchPath:
    """Builds Hydra's search path: our groups, and a person's own in front of them.

    Raises:
        UserError: The folder does not exist.
    """
    version.setbase("1.3")
    path = create_config_search_path(_as_source(config_path) if config_path else CONFIG_PATH)
    look_at_files()
    if config_dir is not None:
        if not os.path.isdir(config_dir):
            raise UserError(f"--config-dir must be a folder, but {config_dir} is none.")
        path.prepend(
            provider="command-line",
            path=f"file://{os.path.abspath(config_dir)}",
            anchor=SearchPathQuery(provider="schema"),
        )
    return path


def _as_source(config_path: str) -> str:
    return config_path if "://" in config_path else os.path.abspath(config_path)


class Composer:
    """Composes a command with Hydra's own loader, and collects what is wrong instead of stopping.

    Args:
        path: Hydra's search path.
        config_name: Name of the primary configuration.
    """

    def __init__(self, *, path: ConfigSearchPath, config_name: str | None = None) -> None:
        setup_globals()
        self._loader = ConfigLoaderImpl(path)
        self._name = config_name or CONFIG_NAME
        self._bases: dict[tuple[str, ...], DictConfig | None] = {}
        self._parsed: dict[str, list[Override]] = {}
        self._chooses: dict[str, bool] = {}  # a file, by override
        self._seen_by_hydra: DictConfig | None = None
        self._plugins: dict[str, Any] = {}  # of the sweep, once it is known
        self._problems: dict[str, None] = {}

    def compose(self, overrides: list[str], *, multirun: bool = False) -> Composition:
        """Composes every point of a command.

        Args:
            overrides: As typed.
            multirun: `-m` was given.
        """
        self._problems = {}
        parsed = self._parse(opened(overrides))
        hydra = [item for item in parsed if item.is_hydra_override()]
        task = [item for item in parsed if not item.is_hydra_override()]
        for item in [item for item in hydra if item.is_sweep_override()]:
            hydra.remove(item)
            self._add(
                f"`{item.get_key_element()}` must be one value; Hydra's keys cannot be swept."
            )
        path = [item for item in hydra if item.get_key_element() == "hydra.searchpath"]
        self._hydra = self._usable(path, [])  # where groups are found
        fixed = [item for item in task if not item.is_sweep_override()]
        groups = [item for item in fixed if self._is_group(item)]
        others = [item for item in hydra if item not in path]
        self._hydra = self._usable([*self._hydra, *others], groups)
        first = self._base(groups)
        if first is None or not self._resolves(first.hydra):
            return Composition(multirun, [], list(self._problems))
        mode = OmegaConf.select(first, "hydra.mode")
        multirun = multirun or mode == RunMode.MULTIRUN
        if not multirun:
            for item in task:
                if item.is_sweep_override():
                    self._add(hydra_messages.sweep_without_m(item))
            return Composition(False, [self._point(fixed)], list(self._problems))
        for problem in launcher_checks.problems(first.hydra.launcher):
            self._add(problem)
        with few_interpolations():
            sweeper = OmegaConf.to_container(first.hydra.sweeper, resolve=True)
        # Of those with the same key, the last one counts.
        arguments = {item.get_key_element(): item for item in [*self._params(sweeper), *task]}
        fixed = [item for item in arguments.values() if not item.is_sweep_override()]
        swept = {key for key, item in arguments.items() if item.is_sweep_override()}
        self._fixed, self._swept, self._plugins = fixed, swept, _plugins(first)
        combinations, space = self._combinations(sweeper, [*arguments.values()])
        told = {"unit": " points", "disable": None, "delay": 2, "leave": False}
        with tqdm(combinations, "composing", **told) as bar:
            points = [self._point(combination, swept) for combination in bar]
        problems = list(self._problems)
        # What is wrong without a swept key is right with it, or has been said of the points.
        common = self._point([item for item in fixed if item.get_key_element() not in swept])
        return Composition(True, points, problems, common.container, sweeper, space)

    def point(self, overrides: list[str]) -> tuple[Point, list[str]]:
        """Composes one more point of the sweep that was composed last.

        Args:
            overrides: Of the swept keys, in Hydra's words.

        Returns:
            The point, and what is wrong with composing it.
        """
        self._problems = {}
        found = self._point([*self._fixed, *self._parse(overrides)], self._swept)
        return found, list(self._problems)

    def _add(self, problem: str) -> None:
        # An override that is wrong in all points is one problem.
        self._problems[problem] = None

    def _parse(self, overrides: list[str]) -> list[Override]:
        parser = OverridesParser.create(config_loader=self._loader)
        parsed = []
        for word in overrides:
            try:
                if word not in self._parsed:  # the points of a sweep have most words in common
                    self._parsed[word] = parser.parse_overrides([word])
                    if fault := sweep_fault(self._parsed[word][0]._value):
                        self._parsed[word] = []
                        self._add(hydra_messages.no_sweep(*as_typed([word]), fault))
                parsed += self._parsed[word]
            except HydraException as error:
                self._add(hydra_messages.syntax(*as_typed([word]), error))
        return parsed

    def _usable(self, hydra: list[Override], groups: list[Override]) -> list[Override]:
        """Drops the overrides of `hydra.` that Hydra itself refuses, and says so.

        Args:
            hydra: The overrides.
            groups: The files that are chosen; a recipe may choose the sweeper whose keys these are.
        """
        if not hydra or self._load(hydra) is not None:
            return hydra
        if self._load([], say="files") is None:
            return []
        chosen = groups if self._load(groups) is not None else []
        kept: list[Override] = []
        for item in hydra:
            if self._load([*kept, item, *chosen], say=item) is not None:
                kept.append(item)
        return kept

    @cached_property
    def _repository(self) -> Any:
        search = [
            item.input_line for item in self._hydra if item.get_key_element() == "hydra.searchpath"
        ]
        return self._loader._parse_overrides_and_create_caching_repo(self._name, search)[1]

    def _is_group(self, item: Override) -> bool:
        """Says whether an override chooses a file, as Hydra decides it."""
        if item.package is not None:
            return True
        if item.input_line not in self._chooses:
            self._chooses[item.input_line] = self._repository.group_exists(
                item.key_or_group
            ) and not isinstance(item.value() if not item.is_sweep_override() else None, dict)
        return self._chooses[item.input_line]

    def _combinations(
        self, sweeper: dict[str, Any], arguments: list[Override]
    ) -> tuple[list[list[Override]], list[Dimension]]:
        """Returns the overrides of each point, or of each corner of a search, and its space."""
        is_grid = (sweeper.get("sampler") or {}).get("name") == "grid"
        if (is_grid or not is_search(sweeper)) and (problem := too_many(arguments)):
            self._add(problem)
            return [], []
        if not is_search(sweeper):
            for item in [item for item in arguments if item.value_type is INTERVAL]:
                arguments.remove(item)
                self._add(hydra_messages.interval_of_a_grid(*as_typed([item.input_line])))
            for item in [item for item in arguments if is_empty(item)]:
                arguments.remove(item)
                self._add(hydra_messages.no_values(*as_typed([item.input_line])))
            if (size := sweeper.get("max_batch_size")) is not None and size < 1:
                self._add(
                    "`hydra.sweeper.max_batch_size` must be at least 1 or null, but is "
                    f"{size} instead."
                )
            try:
                [batch] = BasicSweeper.split_arguments(arguments, None)
            except HydraException as error:
                self._add(hydra_messages.composition(error))
                batch = [[item.input_line for item in arguments if not item.is_sweep_override()]]
            return [self._parse(words) for words in batch], []
        swept = [item for item in arguments if item.is_sweep_override()]
        named = {_key(item): item for item in swept}
        space, problems = dimensions(named, listed=is_grid)
        for problem in problems:
            self._add(problem)
        fixed = [item for item in arguments if not item.is_sweep_override()]
        points = grid(space) if is_grid else corners(space)
        return [[*fixed, *self._parse(overrides_of(space, texts))] for texts in points], space

    def _resolves(self, hydra: DictConfig) -> bool:
        """Says whether what Hydra is asked for is known, and what leads nowhere."""
        try:
            for key in ("mode", "sweeper", "launcher"):
                if isinstance(hydra[key], DictConfig):
                    OmegaConf.to_container(hydra[key], resolve=True)
        except OmegaConfBaseException as error:
            self._add(hydra_messages.interpolation(f"hydra.{key}", error))
            return False
        return True

    def _params(self, sweeper: dict[str, Any]) -> list[Override]:
        """Returns the overrides that stand in `hydra.sweeper.params`."""
        params = sweeper.get("params")
        words = [f"{key}={'null' if v is None else v}" for key, v in (params or {}).items()]
        return self._parse(opened(words))

    def _base(self, groups: list[Override]) -> DictConfig | None:
        """Composes the files that are chosen; values come later, one by one."""
        key = tuple(item.input_line for item in groups)
        if key not in self._bases:
            config = self._load([*self._hydra, *groups], say=None if groups else "files")
            if config is None:
                kept: list[Override] = []
                for item in groups:
                    if self._load([*self._hydra, *kept, item], say=item) is not None:
                        kept.append(item)
                config = self._load([*self._hydra, *kept], say=None if groups else "files")
            self._bases[key] = config
            if self._plugins and config is not None and _plugins(config) != self._plugins:
                swept = [item for item in groups if item.get_key_element() in self._swept]
                self._add(
                    "`hydra.sweeper` and `hydra.launcher` must be the same for all points, but are "
                    f"others with {' '.join(as_typed([item.input_line for item in swept]))}; "
                    "choose what sets them for the whole sweep."
                )
        return self._bases[key]

    def _load(
        self, overrides: list[Override], say: Override | str | None = None
    ) -> DictConfig | None:
        words = [item.input_line for item in overrides]
        try:
            config = self._loader.load_configuration(
                self._name, list(words), run_mode=RunMode.RUN, from_shell=False
            )
        except Exception as error:  # whatever the files hold, YAML errors included
            if say is not None:
                word = as_typed([say.input_line])[0] if isinstance(say, Override) else None
                self._add(hydra_messages.composition(error, word))
            return None
        hydra = OmegaConf.to_container(config.hydra, resolve=False)
        job = {
            name: value
            for name, value in OmegaConf.to_container(config, resolve=False).items()
            if name != "hydra"
        }
        for problem in guard.problems(hydra, job, typed=words):
            self._add(problem)
        return config

    def _point(self, overrides: list[Override], swept: Collection[str] = ()) -> Point:
        values = {_key(item): item.value() for item in overrides if item.get_key_element() in swept}
        typed = as_typed([item.input_line for item in overrides])
        unusable: dict[str, str] = {}
        base = self._base([item for item in overrides if self._is_group(item)])
        if base is not None:
            said = stages.without_a_stage if is_chain(base) else stages.without_a_chain
            lines = {word: line for word in typed if (line := said(word))}
            overrides = [
                item for item, word in zip(overrides, typed, strict=True) if word not in lines
            ]
            unusable |= lines
            base = self._base([item for item in overrides if self._is_group(item)])
        settings = [item for item in overrides if not self._is_group(item)]
        if base is None:
            return Point(typed, {}, unusable, values)
        # Of Hydra's own node, which is larger than all others, a point changes nothing.
        hydra = base._get_node("hydra")
        config = copy.deepcopy(base, {id(hydra): hydra})
        for item in settings:
            try:
                ConfigLoaderImpl._apply_overrides_to_config([item], config)
            except HydraException as error:
                names = hydra_messages.keys(config) if "." in item.key_or_group else None
                names = names or [*config, *self._repository.get_group_options("", None)]
                [word] = as_typed([item.input_line])
                unusable[word] = hydra_messages.composition(error, word, names)
        if base is not self._seen_by_hydra:
            HydraConfig.instance().set_config(base)
            self._seen_by_hydra = base
        container, problems = resolved(config)
        for key, _ in guard.targets(container):
            problems[key] = f"`{key}` must not stand in a configuration, for it runs code."
        if is_chain(container):  # whose files may hold what must stand in a stage
            for name in stages.GROUPS:
                if name in container:
                    problems[name] = stages.without_a_stage(name)
                    del container[name]
        return Point(typed, container, unusable | problems, values)


def _key(item: Override) -> str:
    """Returns the key of an override as one would look for it."""
    return as_typed([f"{item.get_key_element()}="])[0].rstrip("=").lstrip("+")


def _plugins(config: DictConfig) -> dict[str, Any]:
    """Returns what a whole sweep is run by."""
    return {
        name: OmegaConf.to_container(config.hydra[name], resolve=False)
        for name in ("sweeper", "launcher")
    }
