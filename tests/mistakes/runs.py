"""Folders, stores, verbs and recipes that cannot be used."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from tests.mistakes.case import RUN, Cases, Place, halve, train

case = Cases()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


# --- folders and stores ----------------------------------------------------------------------

case("output-file", train("output_dir=corpus.txt"), "`output_dir`", "folder", "is a file")
case("output-not-writable", train("output_dir=/proc/x"), "`output_dir`", "can be written", "/proc")
case(
    "file-in-the-way-of-runs",
    lambda place: train(f"name={Path(place.file('outputs/mine', 'x')).name}"),
    *("`output_dir`", "the folder mine", "outputs/mine"),
)


def _no_database(place: Place) -> list[str]:
    place.file("outputs/mlflow.db", "notes " * 100)
    return train()


case("store-that-is-none", _no_database, "outputs/mlflow.db", "no SQLite database")
case(
    "store-of-no-scheme",
    train("tracking=server", "tracking.uri=127.0.0.1:5000"),
    *("`tracking.uri`", "must begin with", "http", "127.0.0.1:5000"),
)
case(
    "server-that-is-dead",
    train("tracking=server", f"tracking.uri=http://me:secret@127.0.0.1:{free_port()}"),
    *("`tracking.uri`", "Connection refused"),
    status=1,
)

# --- runs and verbs --------------------------------------------------------------------------


def _ambiguous(place: Place) -> list[str]:
    for letter in "de":
        identity = {"run_id": f"abc{letter * 29}"}
        place.file(f"outputs/rtd/{letter}/run.json", json.dumps(identity))
    return ["predict", "abc", "text"]


def on_run(
    *words: str, change: Callable[[Path], object] = lambda run: None
) -> Callable[[Place], list[str]]:
    """Returns the words of a verb on a copy of the earlier run that something happened to."""

    def made(place: Place) -> list[str]:
        change(place.run())
        return list(words)

    return made


def _unfinished(run: Path) -> None:
    (run / "summary.json").unlink()
    shutil.rmtree(run / "model")


def _with_half_a_checkpoint(run: Path) -> None:
    _unfinished(run)
    halve(run / "checkpoints" / "checkpoint-1" / "model.safetensors")


def _with_an_empty_config(run: Path) -> None:
    (run / "config.yaml").write_text("")


def _with_a_broken_config(run: Path) -> None:
    (run / "config.yaml").write_text("a: [\n")


def _without_model(run: Path) -> None:
    shutil.rmtree(run / "model")


def _with_half_a_model(run: Path) -> None:
    halve(run / "model" / "model.safetensors")


case("unknown-command", ["exprot", "x"], "`exprot`", "`export`")
case("unknown-run", ["predict", "deadbeef", "text"], "no run `deadbeef`", "outputs")
case("no-run-at-all", ["predict", "no such run", "text"], "RUN", "`no such run`")
case("ambiguous-run", _ambiguous, "`abc`", "2 runs", "abcd", "abce")
case("argument-missing", ["export", "x"], "FOLDER", "required")
case("option-of-no-number", ["predict", "x", "--top-k", "many"], "--top-k", "'many'")
case("option-unknown", ["predict", "x", "--nope"], "--nope", "--help")
case("setting-unknown", ["predict", "x", "text", "tracking=nope"], "`tracking=nope`", "`local`")
case("text-of-no-utf-8", on_run("predict", RUN, "caf\udce9"), "TEXT", "UTF-8", r"\udce9")
case("predict-before-the-end", on_run("predict", RUN, "text", change=_unfinished), "RUN", "resume")
case("predict-without-model", on_run("predict", RUN, "text", change=_without_model), "is gone")
case("predict-damaged", on_run("predict", RUN, "text", change=_with_half_a_model), f"{RUN}/model")
case("export-damaged", on_run("export", RUN, "a/b", change=_with_half_a_model), f"{RUN}/model")
case("export-over-a-file", on_run("export", RUN, "corpus.txt"), "FOLDER", "corpus.txt")
case("export-below-a-file", on_run("export", RUN, "corpus.txt/x"), "FOLDER", "corpus.txt/x")
case("export-not-writable", on_run("export", RUN, "/proc/x"), "FOLDER", "written", "/proc/x")
case("push-to-no-name", on_run("export", RUN, "a/b", "--push", "a b"), "--push", "NAME", "'a b'")
case("resume-finished", on_run("resume", RUN), "unfinished", RUN)
case(
    "resume-half-a-checkpoint",
    on_run("resume", RUN, change=_with_half_a_checkpoint),
    *("`resume`", "checkpoint-1/model.safetensors", "bytes instead of"),
)
case(
    "resume-empty-config", on_run("resume", RUN, change=_with_an_empty_config), "RUN", "config.yaml"
)
case(
    "resume-broken-config",
    on_run("resume", RUN, change=_with_a_broken_config),
    *("RUN", "config.yaml"),
)
case(
    "resume-with-another-configuration",
    on_run(*train("task.mask_prob=0.3", f"resume={RUN}"), change=_with_half_a_checkpoint),
    *("`resume`", RUN),
)
case("resume-unknown", train("resume=deadbeef"), "`resume`", "no run `deadbeef`")
case("ui-port", ["ui", "--port", "99999"], "`port`", "65535", "99999")

# --- configurations that run code, or are none -----------------------------------------------

case(
    "callback",
    train("+hydra.callbacks.x._target_=os.getcwd"),
    *("`hydra.callbacks`", "must be empty"),
)
case(
    "launcher", train("hydra.launcher._target_=os.getcwd"), "`hydra.launcher._target_`", "os.getcwd"
)
case("target", train("+model._target_=os.getcwd"), "`model._target_`", "runs code")
case("folder-of-no-recipes", train("--config-dir", "nowhere"), "--config-dir", "nowhere")


def recipe(name: str, content: bytes | str, *said: str) -> None:
    def words(place: Place) -> list[str]:
        place.file("own/experiment/mine.yaml", content)
        return train("--config-dir", "own", "experiment=mine")

    case(name, words, *said)


recipe("recipe-cut", "# @package _global_\nseed: [\n", "mine.yaml", "line 3")
recipe("recipe-in-latin-1", b"# caf\xe9\n", "mine.yaml, line 1, cannot be read", "utf-8", "0xe9")
recipe("recipe-beside-the-keys", "sed: 3\n", "`sed`")
