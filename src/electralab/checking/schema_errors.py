"""What pydantic finds wrong with a configuration, in one line a key, in the form of the house."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from electralab.checking.nearest import did_you_mean

MISSING = "???"
_PLURALS = {int: "whole numbers", float: "numbers"}
Key = tuple[str, ...]


def leaves(node: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yields every value of nested mappings and lists with its key; items are numbered."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, (*key, str(name)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from leaves(value, (*key, str(index)))
    else:
        yield key, node


def value_problems(container: dict[str, Any]) -> dict[Key, str]:
    """Finds values that no key can have: unset ones, the text None, infinities."""
    found: dict[Key, str] = {}
    for key, value in leaves(container):
        dotted = ".".join(key)
        if value == MISSING:
            found[key] = f"`{dotted}` must be set, for example with {dotted}=…"
        elif value == "None":
            found[key] = f"`{dotted}` must not be the text None; write {dotted}=null for no value."
        elif isinstance(value, float) and not math.isfinite(value):
            found[key] = f"`{dotted}` must be a finite number, but is {value} instead."
    return found


def translate(
    errors: list[Any], *, schema: type[BaseModel], container: dict[str, Any]
) -> dict[Key, str]:
    """Returns one line for each key that pydantic refused.

    Args:
        errors: What `ValidationError.errors()` gave.
        schema: The model that was validated.
        container: What was validated.
    """
    found: dict[Key, str] = {}
    for error in errors:
        key = _real_key(error["loc"], container)
        if error["type"] == "missing":
            key = (*key, str(error["loc"][-1]))
        if key in found:
            continue  # another branch of the same union
        dotted = ".".join(key)
        if error["type"] == "extra_forbidden":
            parent = section(schema, key[:-1])
            names = [".".join((*key[:-1], name)) for name in parent.model_fields]
            found[key] = f"`{dotted}` is no key{did_you_mean(dotted, names)}"
        elif error["type"] == "missing":
            found[key] = f"`{dotted}` must be set, but its key is missing."
        else:
            found[key] = _refusal(dotted, *declared(schema, key), error)
    # An item of a list says more than the list.
    return {key: line for key, line in found.items() if not any(k[:-1] == key for k in found)}


def section(schema: type[BaseModel], key: Key) -> type[BaseModel]:
    """Returns the model of a node."""
    return next(part for part, _ in _parts(declared(schema, key)[0], []) if _is_section(part))


def declared(schema: type[BaseModel], key: Key) -> tuple[Any, list[Any]]:
    """Returns the type of a key, or of an item of its list, and its bounds."""
    annotation, metadata = schema, []
    for name in key:
        annotation, metadata = next(
            (_member(part, name) for part, _ in _parts(annotation, []) if _has(part, name)),
            (Any, []),
        )
    return annotation, metadata


def _has(part: Any, name: str) -> bool:
    return get_origin(part) is list or (_is_section(part) and name in part.model_fields)


def _member(part: Any, name: str) -> tuple[Any, list[Any]]:
    """Returns the type of a list's items or of a section's field, and its bounds."""
    if get_origin(part) is list:
        return _unwrap(get_args(part)[0])
    field = part.model_fields[name]
    return field.annotation, list(field.metadata)


def _is_section(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def legal_value(annotation: Any, metadata: list[Any]) -> Any:
    """Returns some value that a type allows, to go on checking the others with."""
    part, bounds = _parts(annotation, metadata)[-1]
    if part is type(None):
        return None
    if get_origin(part) is Literal:
        return get_args(part)[0]
    if get_origin(part) is list:
        return [legal_value(get_args(part)[0], [])]
    if _is_section(part):
        return {n: legal_value(f.annotation, f.metadata) for n, f in part.model_fields.items()}
    if part is bool:
        return False
    limits = _limits(bounds)
    if part is int:
        return limits.get("ge", limits.get("gt", 0) + 1)
    if part is float:
        low = limits.get("ge", limits.get("gt", 0))
        return low if "ge" in limits else low + 0.5
    return {} if get_origin(part) is dict else "x"


def _refusal(dotted: str, annotation: Any, metadata: list[Any], error: dict[str, Any]) -> str:
    value = error["input"]
    parts = _parts(annotation, metadata)
    fitting = [part for part in parts if _fits(value, part[0])]
    if fitting:  # the right type: say the range alone
        wanted = " or ".join(filter(None, (_range(bounds) for _, bounds in fitting)))
        if not value and not isinstance(value, int | float):
            return f"`{dotted}` must not be empty."
    else:
        wanted = " or ".join(_describe(*part) for part in parts)
    return f"`{dotted}` must be {wanted}, but is {show(value)} instead."


def show(value: Any) -> str:
    """Returns a value on one line and not too long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _real_key(loc: tuple[Any, ...], container: Any) -> Key:
    """Drops what pydantic adds to a location: the names of the branches of a union."""
    key, node = [], container
    for part in loc:
        inside = part in node if isinstance(node, dict) else isinstance(part, int)
        if isinstance(node, dict | list) and inside:
            node = node[part]
            key.append(str(part))
    return tuple(key)


def _unwrap(annotation: Any) -> tuple[Any, list[Any]]:
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        bounds = [item for field in extra for item in getattr(field, "metadata", [field])]
        return inner, bounds
    return annotation, []


def _parts(annotation: Any, metadata: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Splits a union into its branches, each with its bounds."""
    annotation, bounds = _unwrap(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for branch in get_args(annotation) for part in _parts(branch, [])]
    return [(annotation, [*metadata, *bounds])]


def _fits(value: Any, part: Any) -> bool:
    if part is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if part is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(part) is Literal:
        return False
    origin = get_origin(part) or part
    return isinstance(origin, type) and isinstance(value, origin)


def _limits(bounds: list[Any]) -> dict[str, Any]:
    names = ("gt", "ge", "lt", "le", "min_length", "pattern")
    return {
        name: value
        for bound in bounds
        for name in names
        if (value := getattr(bound, name, None)) not in (None, PydanticUndefined)
    }


def _range(bounds: list[Any]) -> str:
    limits = _limits(bounds)
    if limits.get("min_length", 0) > 1:
        return f"a list of at least {limits['min_length']}"
    if "pattern" in limits:
        return "up to 100 letters, digits, `.`, `_` and `-`, a letter or digit first"
    if "ge" in limits and "le" in limits:
        return f"from {limits['ge']:g} to {limits['le']}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return " and ".join(f"{words[n]} {limits[n]}" for n in words if n in limits)


def _describe(part: Any, bounds: list[Any]) -> str:
    if get_origin(part) is Literal:
        options = get_args(part)
        return ("one of " if len(options) > 2 else "") + (
            ", " if len(options) > 2 else " or "
        ).join(f"`{option}`" for option in options)
    if get_origin(part) is list:
        inner, _ = _unwrap(get_args(part)[0])
        if _is_section(inner):
            return f"a list of mappings with the keys {' and '.join(inner.model_fields)}"
        return f"a list of {_PLURALS.get(inner, 'texts')}"
    if get_origin(part) is dict or _is_section(part):
        return "a mapping of keys"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if part in (int, float) and (limits := _range(bounds)):
        return f"{names[part]} {'of ' * limits.startswith('at ')}{limits}"
    return names.get(part, "null")
