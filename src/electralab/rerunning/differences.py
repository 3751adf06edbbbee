"""What is otherwise now than when a run was made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.data.contents import contents, source_files
from electralab.errors import UserError
from electralab.tracking import provenance

if TYPE_CHECKING:
    from electralab.config import Config, DataConfig
    from electralab.rerunning.recorded import Recorded

_MACHINE = {
    "python": "Python",
    "platform": "the system",
    "cpu": "the processor",
    "gpus": "the kind of GPU",
}


def warnings(then: dict[str, Any], *, code: Any) -> Iterator[str]:
    """Yields a line for each difference in code, packages or hardware that can change a result.

    Args:
        then: The recorded provenance; empty where there is none.
        code: The recorded hash of the source; none: it is not known.
    """
    now = provenance.provenance()
    if code not in (None, provenance.code()):
        before, after = (_commit(found) for found in (then, now))
        between = f" (commit {before} then, {after} now)" if before != after else ""
        yield f"code: the source of electralab is another one now{between}"
    if not then:
        yield "packages and hardware: the record does not say what they were"
        return
    packages = then.get("packages") if isinstance(then.get("packages"), dict) else {}
    for name in sorted({*packages, *now["packages"]}):
        before, after = packages.get(name, "absent"), now["packages"].get(name, "absent")
        if before != after:
            yield f"package {name}: {after} now, {before} then"
    for key, name in _MACHINE.items():
        if key in then and then[key] != now[key]:
            yield f"hardware: {name} is {_show(now[key])} now, {_show(then[key])} then"


def _commit(found: dict[str, Any]) -> str:
    state = found.get("source") or found.get("project")
    return str(state.get("commit"))[:10] if isinstance(state, dict) else "unknown"


def _show(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def data_change(recorded: Recorded, data: DataConfig) -> str | None:
    """Says which file of the data changed since a run; none: all are what they were.

    Args:
        recorded: The run.
        data: The data of its configuration.
    """
    known = recorded.identity.get("sources")
    then = {str(one.get("path")): one for one in known or [] if isinstance(one, dict)}
    try:
        now = {one["path"]: one for one in source_files(data)}
        found = contents(data)
    except (OSError, UserError) as error:
        return str(getattr(error, "strerror", None) or error)
    for path, one in then.items():
        if path not in now:
            return f"{path} is gone" if not Path(path).exists() else f"{path} is not read any more"
        if any(now[path].get(name) != one.get(name) for name in ("sha256", "modified")):
            sizes = f"{now[path]['size']} bytes now, {one.get('size', 'unknown')} then"
            return f"{path} has other content ({sizes})"
    if new := [path for path in now if path not in then and then]:
        return f"{new[0]} is new"
    on_the_hub = data.source == "hub" and not now  # at its commit, see `configuration.pin`
    if not on_the_hub and recorded.identity.get("contents") not in (None, found):
        return f"what `data.source={data.source}` reads has changed"
    return None


def model_change(recorded: Recorded, config: Config) -> str | None:
    """Says what of the models that a run started from is another one; none: they are the same.

    Args:
        recorded: The run.
        config: Its configuration.

    Raises:
        UserError: A run that it started from is gone.
    """
    from electralab.running.origins import find_origins
    from electralab.running.starts import starting_points
    from electralab.tracking.store import open_store

    then = recorded.identity.get("starts")
    if not isinstance(then, dict) or not then:
        return None
    store = open_store(config.tracking, output_dir=config.output_dir, create=False)
    origins = find_origins(config, store=store, output_dir=Path(config.output_dir))
    now = starting_points(config, origins)
    keys = {"model": "model.name_or_path", "tokenizer": "model.tokenizer"}
    keys |= {"generator": "model.generator.name_or_path"}
    for part, key in keys.items():
        if part in then and then[part] != now.get(part):
            return f"what `{key}` names is another one now"
    return None
