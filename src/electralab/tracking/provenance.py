"""What a run was made with: code, versions, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from electralab.machine import cores
from electralab.tracking.redaction import mask_text, without_secrets

if TYPE_CHECKING:
    from electralab.tracking.run import TrackedRun

PACKAGES = (  # those whose version can change a result
    "electralab",
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "datasets",
    "numpy",
    "safetensors",
    "scikit-learn",
    "sacrebleu",
    "hydra-core",
    "omegaconf",
    "mlflow",
    "optuna",
)
GIT_SECONDS = 5  # for a question to git, in a huge or remote checkout
_MOST_UNTRACKED, _LARGEST = 200, 1_000_000  # files, and bytes of one
_PRIVATE = ("*.env", ".env*", "*.pem", "*.key", "*secret*", "*credential*", "*.netrc")


def provenance() -> dict[str, Any]:
    """Describes the code, the packages and the machine of this process; nothing secret.

    Returns:
        `project`: git state of the folder the user stands in, None outside a checkout;
        `source`: that of the installed electralab if it runs from a checkout of its own, None
        when that is the same one; `packages`, `python`, `platform`, `cpu`, `cpus` (those this
        process may use), `threads` (PyTorch's), `device`, `gpus`, `command`. A git state has
        `commit`, `branch`, `dirty`, `untracked` (hashes of source files) and `diff`, the patch of
        tracked files against the commit.
    """
    project = git_state(Path.cwd())
    source = _source()
    if project and source and source["root"] == project["root"]:
        source = None
    for state in (project, source):
        if state:
            del state["root"]
    return {
        "project": project,
        "source": source,
        "packages": dict(_versions()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpus": cores(),
        **_torch(),
        "command": [Path(sys.argv[0]).name, *without_secrets(sys.argv[1:])],
    }


@cache
def code() -> str:
    """Returns a SHA-256 of the source files of electralab, wherever it is installed."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def record(run: TrackedRun, found: dict[str, Any]) -> None:
    """Puts a provenance into a run: tags to filter by, one JSON file, and the patches.

    Args:
        run: The run.
        found: From `provenance`.
    """
    tags = {
        "python": found["python"],
        "torch": found["packages"].get("torch"),
        "transformers": found["packages"].get("transformers"),
        "device": found["device"],
        "threads": found["threads"],
    }
    for place in ("project", "source"):
        if (state := found[place]) and state["diff"]:
            run.log_text(state["diff"], f"provenance/{place}.diff")
    if state := found["source"] or found["project"]:
        tags["mlflow.source.git.commit"] = state["commit"]  # the UI's column "Version"
        tags["mlflow.source.git.branch"] = state["branch"]
        tags["git.dirty"] = state["dirty"]
    run.log_dict(plain(found), "provenance/provenance.json")
    run.set_tags({key: value for key, value in tags.items() if value is not None})


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """Returns a provenance without its patches, which are files of their own."""
    return {
        name: {key: value for key, value in part.items() if key != "diff"}
        if name in ("project", "source") and part
        else part
        for name, part in found.items()
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The git state of the checkout around a folder; None where there is none, or no commit."""
    found = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    if not found:
        return None
    root, commit = found.splitlines()[:2]
    skipped = [f":(exclude,icase,top,glob)**/{name}" for name in _PRIVATE]
    # Neither a text converter nor an external diff that the repository configures is run.
    patch = _git(
        Path(root),
        "diff",
        "HEAD",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--",
        ".",
        *skipped,
    )
    changed = _git(Path(root), "status", "--porcelain", "--untracked-files=normal")
    return {
        "root": root,
        "commit": commit,
        "branch": (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip(),
        "dirty": None if changed is None else bool(changed.strip()),
        "untracked": _untracked(Path(root), skipped),
        "diff": mask_text(patch or ""),
    }


def _untracked(root: Path, skipped: list[str]) -> dict[str, str]:
    """Returns the SHA-256 of each source file that git does not know, by its path."""
    sources = [f":(glob)**/*{ending}" for ending in (".py", ".yaml", ".yml", ".toml")]
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard", *sources, *skipped)
    found = {}
    for name in sorted((listed or "").split("\0"))[:_MOST_UNTRACKED]:
        path = root / name
        if name and path.is_file() and not path.is_symlink() and path.stat().st_size < _LARGEST:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _source() -> dict[str, Any] | None:
    """The git state of the installed package, unless git only knows the folder around it."""
    here = Path(__file__).resolve()
    tracked = _git(here.parent, "ls-files", "--error-unmatch", here.name)
    return git_state(here.parent) if tracked else None


def _git(folder: Path, *words: str) -> str | None:
    """The output of a git command; None where it fails, is missing or takes too long."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words],
            capture_output=True,
            timeout=GIT_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", errors="replace")


@cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cpu() -> str:
    """The processor's name; Linux tells it in a file only."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _torch() -> dict[str, Any]:
    """Threads and devices of PyTorch where it is loaded; it is not imported for this."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {"threads": None, "device": None, "gpus": []}
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("Apple GPU")
    device = "cuda" if torch.cuda.is_available() else "mps" if gpus else "cpu"
    return {"threads": torch.get_num_threads(), "device": device, "gpus": gpus}
