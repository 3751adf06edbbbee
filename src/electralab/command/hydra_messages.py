"""Hydra's refusals in one line each, with the nearest name there is."""

from __future__ import annotations

import re
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf

from electralab.checking.nearest import did_you_mean
from electralab.command import stages

_OF_A_SEARCH = ("hydra/sweeper/sampler", "hydra/sweeper/pruner")


def syntax(text: str, error: Exception) -> str:
    """Says that one override cannot be read."""
    if "=" not in text:
        return f"`{text}` must have the form key=value."
    key = text.partition("=")[0]
    reason = str(error).splitlines()[0]
    if reason.startswith(("Error parsing", "LexerNoViable")):
        more = [line for line in str(error).splitlines()[1:] if not line.endswith("^")]
        said = [line for line in more if not line.startswith("See https")]
        reason = said[0] if said else "a quote is open, or a character has a meaning in Hydra"
    reason = reason.partition(" expecting ")[0]  # fifteen names of Hydra's grammar
    reason = reason.replace("mismatched input '<EOF>'", "it ends where a value must follow")
    return (
        f"`{text}` cannot be read ({reason}); put what is special to Hydra into quotes: "
        f"'{key}=\"…\"'."
    )


def sweep_without_m(override: Override) -> str:
    """Says that values for a sweep were given to one run."""
    key, value = override.get_key_element(), override.get_value_string()
    return (
        f"`{key}` must be one value, but is {value} instead; add -m to run each, or write "
        f"[{value}] for a list."
    )


def keys(config: DictConfig) -> list[str]:
    """Returns every dotted key of a configuration, nodes included."""
    found: list[str] = []

    def walk(node: Any, prefix: str) -> None:
        for name, value in node.items():
            found.append(f"{prefix}{name}")
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")

    plain = OmegaConf.to_container(config, resolve=False)
    walk({name: value for name, value in plain.items() if name != "hydra"}, "")
    return found


def composition(error: Exception, text: str | None = None, keys_of: Any = None) -> str:
    """Says why files and groups do not compose.

    Args:
        error: What Hydra raised.
        text: The override that brought it about, if one did.
        keys_of: Names that may have been meant.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [name for name in error.options or [] if name != "keys"]
        if not group:
            return (
                f"--config-name {option!r} must name a file of the search path, but there is none."
            )
        key = text.lstrip("+").partition("=")[0] if text else group
        group = key if key.endswith(f".{group}") else group  # a stage's, as it was typed
        return f"`{group}={option}` is no option of `{group}`{did_you_mean(option, options)}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = getattr(error, "__cause__", None)
    if not lines and cause is not None:
        lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    mark = getattr(error, "problem_mark", None)
    if mark is not None:  # a YAML file that cannot be parsed
        problem = getattr(error, "problem", None) or "it is no YAML"
        return f"{mark.name}, line {mark.line + 1}, cannot be read: {problem}."
    if match := re.match(r"Could not override '([^']+)'", reason):
        if match[1] in _OF_A_SEARCH:
            return f"`{match[1]}` needs hydra/sweeper=optuna, which chooses the points of a sweep."
        # Of a value that is a mapping, the key inside it.
        inner = re.search(r"full_key: (\S+)", str(cause)) if "not in struct" in str(cause) else None
        key = inner[1] if inner else match[1]
        if "adapt" not in (keys_of or ()) and (said := stages.without_a_chain(key)):
            return said
        meant = next((re.findall(r"Did you mean to override (?:one of )?(.+)\?", line)
                      for line in lines[1:2]), [])  # fmt: skip
        if meant:
            return f"`{key}` is no choice of the defaults list; did you mean `{meant[0]}`?"
        return f"`{key}` is no key{did_you_mean(key, keys_of or ())}"
    if reason.startswith("Could not append"):
        return f"`{text}` must stand without its `+`, for the key is there already."
    if match := re.match(r"Could not delete", reason):
        return f"`{text}` deletes what is not there."
    if "Config group override must be a string" in reason:
        return f"`{text}` must name an option of the group."
    if reason.endswith("composing config:") and len(lines) > 1:
        reason = f"{reason.partition(':')[0]}: {lines[1]}"
    if cause is not None and reason.startswith("Error merging override"):
        reason = str(cause).splitlines()[0]
    return f"`{text}` cannot be used: {reason}." if text else f"The configuration: {reason}."


def interval_of_a_grid(word: str) -> str:
    """Says that an interval has no values that could all be tried."""
    key, _, value = word.partition("=")
    return (
        f"`{key}` must be a choice or a range, but is {value} instead; hydra/sweeper=optuna "
        "searches an interval."
    )


def no_values(word: str) -> str:
    """Says that a sweep over a key has no point, as an empty range."""
    key, _, value = word.partition("=")
    return f"`{key}` must leave a value to try, but is {value} instead."


def secret(key: str, variable: str) -> str:
    """Says that a value is a credential of the environment."""
    return (
        f"`{key}` must not be the secret {variable} of the environment, for a run records its "
        "configuration."
    )


def no_sweep(word: str, wanted: str) -> str:
    """Says that values cannot be swept."""
    key, _, value = word.partition("=")
    return f"`{key}` {wanted}, but is {value} instead."


def interpolation(key: str, error: Exception) -> str:
    """Says that a `${…}` leads nowhere."""
    reason = str(error).splitlines()[0]
    if match := re.search(r"Interpolation key '([^']+)' not found", reason):
        return f"`{key}` must refer to a key that there is, but refers to `{match[1]}`."
    return f"`{key}` cannot be resolved: {reason}."
