"""What a configuration may not do: run code, through Hydra's own node or a `_target_`.

Hydra instantiates and configures what stands under `hydra.` before any job starts, and its own
list of refused targets is incomplete, so everything is looked at before Hydra acts on it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from electralab.checking import search_checks
from electralab.checking.schema_errors import leaves, show

_TARGETS = {
    "launcher": (
        "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
        "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    ),
    "sweeper": ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper", search_checks.TARGET),
}
_OWN_PLUGINS = "hydra_plugins.electralab_"
# Keys of launchers that hold shell commands or programs; who types one means it.
_SHELL = ("setup", "teardown", "python", "srun_args", "additional_parameters")
# They would move nothing: the name of a run folder has its signature, by which it is found.
_FOLDERS = {
    "hydra.run.dir": "a run lies in <output_dir>/<name>/<time>-<signature>",
    "hydra.sweep.dir": "a sweep lies in <output_dir>/<name>/sweep-<id>",
    "hydra.sweep.subdir": "a job lies in <output_dir>/<name>/sweep-<id>/<signature>",
}
_NOWHERE_ELSE = (".", "${output_dir}/${name}")  # ours, and what Hydra has where a person's
_NOWHERE_ELSE += ("outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}",)  # primary configuration says nothing
_NOWHERE_ELSE += ("multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}", "${hydra.job.num}")
_SHIPPED_LOGGING = ("default", "none", "disabled", "stdout")


def problems(hydra: dict[str, Any], job: dict[str, Any], *, typed: list[str]) -> list[str]:
    """Finds what could run code, and what Hydra would do and we do not.

    Args:
        hydra: The node `hydra`, composed but not resolved.
        job: The rest of the configuration, likewise.
        typed: The overrides of the command line.
    """
    keys = dict.fromkeys(word.lstrip("+~").partition("=")[0] for word in typed)
    found = [
        f"`{key}` must not be set, for {_FOLDERS[key]}; output_dir=… moves it."
        for key in keys
        if key in _FOLDERS
    ]
    # What a recipe sets: Hydra would write files of its own there, over others of their names.
    if hydra.get("output_subdir") not in (None, ".hydra"):
        found.append("`hydra.output_subdir` must be null; the run's folder has its configuration.")
    places = {
        key: (hydra.get(node) or {}).get(name)
        for key, (_, node, name) in ((key, key.split(".")) for key in _FOLDERS)
    }
    found += [
        f"`{key}` must not be set, for {_FOLDERS[key]}; output_dir=… moves it."
        for key, place in places.items()
        if place not in _NOWHERE_ELSE and key not in keys
    ]
    if hydra.get("callbacks"):
        found.append("`hydra.callbacks` must be empty, for callbacks run code.")
    node = hydra.get("job") or {}
    if os.path.basename(str(node.get("name"))) != str(node.get("name")):  # of a log file
        found.append(f"`hydra.job.name` must be no path, but is {show(node['name'])} instead.")
    for name in ("env_set", "env_copy"):
        if node.get(name):
            found.append(f"`hydra.job.{name}` must be empty; set variables in the shell.")
    if node.get("chdir"):
        found.append("`hydra.job.chdir` must be false; paths start where the command was typed.")
    for kind in ("launcher", "sweeper"):
        found += _plugin(kind, hydra.get(kind), typed)
    for kind in ("job_logging", "hydra_logging"):
        if _without_levels(hydra.get(kind)) not in _shipped(kind):
            found.append(
                f"`hydra.{kind}` must be one of the shipped ones ({', '.join(_SHIPPED_LOGGING)}), "
                "for a logging configuration can run code; hydra.verbose=true shows more."
            )
    given = hydra.get("overrides") or {}
    if not set(given.get("hydra", [])) | set(given.get("task", [])) <= set(typed):
        found.append("`hydra.overrides` must not be set; overrides are for the command line.")
    for key, _ in targets(job):
        found.append(f"`{key}` must not stand in a configuration, for it runs code.")
    return found


def _plugin(kind: str, node: Any, typed: list[str]) -> list[str]:
    if not isinstance(node, dict):
        return [f"`hydra.{kind}` must be a mapping with a `_target_`."]
    nested = dict(targets(node, f"hydra.{kind}"))
    target = nested.pop(f"hydra.{kind}._target_", None)
    found = []
    if target not in _TARGETS[kind] and not str(target).startswith(_OWN_PLUGINS):
        names = ", ".join(name.rsplit(".", 1)[-1] for name in _TARGETS[kind])
        found.append(
            f"`hydra.{kind}._target_` must be a known one ({names}), but is {show(target)} instead."
        )
    found += [f"`{key}` must not be set, for it runs code." for key in nested]
    for name in _SHELL:
        key = f"hydra.{kind}.{name}"
        if node.get(name) and not any(word.lstrip("+").startswith(f"{key}=") for word in typed):
            found.append(f"`{key}` must be typed on the command line, for it runs commands.")
    return found


def targets(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Returns every `_target_` of a tree with its key."""
    return [
        (".".join(filter(None, (prefix, *key))), value)
        for key, value in leaves(node)
        if "_target_" in key
    ]


def _without_levels(node: Any) -> Any:
    """Drops the levels of loggers, which are anyone's to choose."""
    if not isinstance(node, dict):
        return node
    return {
        name: _without_levels(value)
        for name, value in node.items()
        if not (name == "level" and str(value).isalnum())
    }


@cache
def _shipped(kind: str) -> list[Any]:
    import importlib.resources

    import yaml

    folder = importlib.resources.files("hydra.conf.hydra").joinpath(kind)
    files = [folder.joinpath(f"{name}.yaml") for name in _SHIPPED_LOGGING]
    return [_without_levels(yaml.safe_load(file.read_text())) for file in files if file.is_file()]
