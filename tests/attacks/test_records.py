"""What runs and stores say of themselves is anyone's: no code, no other folder, no endless file."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import torch

from electralab.cli import main
from electralab.config import TrackingConfig
from electralab.errors import UserError
from electralab.rerunning.recorded import fetch
from electralab.tracking.records import find_run
from electralab.tracking.store import open_store
from electralab.verbs.export import export
from tests.attacks.conftest import Bomb
from tests.conftest import TINY, write_corpus

pytestmark = pytest.mark.usefixtures("bounded")
SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a finished run that had secrets around it."""
    root = tmp_path_factory.mktemp("records")
    write_corpus(root / "corpus.txt", documents=60)
    words = ["data=text", "data.path=corpus.txt", *TINY, f"trainer.hub_model_id=me/{SECRET}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("EVIL_TOKEN", SECRET)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
        assert main(words) == 0
    return root


@pytest.fixture
def run(place, marker, here) -> Path:
    """That run in a folder of a test's own, unfinished, with its first checkpoint."""
    shutil.copytree(place / "outputs", here / "outputs", dirs_exist_ok=True)
    shutil.copy(place / "corpus.txt", here)
    [folder] = Path("outputs", "rtd").iterdir()
    return folder


@pytest.fixture
def stopped(run) -> Path:
    """The same run as a kill left it."""
    (run / "summary.json").unlink()
    shutil.rmtree(run / "model")
    shutil.rmtree(run / "checkpoints" / "checkpoint-6")
    return run


def store():
    return open_store(TrackingConfig(mode="local", uri=None), output_dir="outputs", create=False)


def run_id(folder: Path) -> str:
    return json.loads((folder / "run.json").read_text())["run_id"]


PICKLES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "scaler.pt")


@pytest.mark.parametrize(
    ("how", "sealed", "said"),
    [
        (pickle.dump, True, "instead of"),
        (pickle.dump, False, "is damaged"),
        (torch.save, False, "holds other objects, which could run code"),
    ],
)
def test_a_checkpoint_of_pickles_runs_nothing(stopped, marker, capsys, how, sealed, said):
    checkpoint = stopped / "checkpoints" / "checkpoint-3"
    for name in (*PICKLES, "pytorch_model.bin"):
        with open(checkpoint / name, "wb") as file:
            how(Bomb(marker), file)
    if not sealed:  # as one of an earlier version, which says nothing of its files
        (checkpoint / "manifest.json").unlink()
    assert main(["resume", str(stopped)]) == 2
    assert not marker.exists()
    shown = capsys.readouterr().err
    assert said in shown and "Traceback" not in shown and "weights_only" not in shown


ENDLESS = {
    "a pipe": os.mkfifo,
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "a depth": lambda file: file.write_text("[" * 100_000),
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("verb", ["rerun", "compare"])
def test_files_that_never_end_hold_up_nothing(run, capsys, name, verb):
    for file in ("run.json", "summary.json", "config.yaml", "history.json", "overrides.yaml"):
        (run / file).unlink()
        ENDLESS[name](run / file)
    assert main([verb, str(run)]) in (1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_record_in_the_store_cannot_run_code(run, here, marker, capsys):
    number, client = run_id(run), store().client()
    client.set_tag(number, "folder", "nowhere")
    shutil.rmtree(run)
    artifact = Path(urlsplit(client.get_run(number).info.artifact_uri).path, "config.yaml")
    before = artifact.read_text()
    attacks = {
        "task: !!python/object/apply:os.mkdir [marker]\n": "must have a readable config.yaml",
        before.replace("task:\n", "task:\n  _target_: os.mkdir\n"): "`task._target_`",
        "hydra: {callbacks: {x: {_target_: os.mkdir}}}\n" + before: "`hydra` is no key",
    }
    try:
        for text, said in attacks.items():
            artifact.write_text(text)
            os.chdir(here)  # a rerun goes where its run was started
            assert (main(["rerun", number]), said) == (2, said)
            assert said in capsys.readouterr().err
    finally:
        artifact.write_text(before)


def test_a_tag_cannot_send_a_resume_elsewhere(stopped, marker, capsys):
    number = run_id(stopped)
    shutil.move(stopped, "away")
    for target in (Path("precious").absolute(), Path("/etc")):
        target.mkdir(exist_ok=True)
        store().client().set_tag(number, "folder", str(target))
        with pytest.raises(UserError, match="is not its own"):
            find_run(number, store=store(), output_dir="outputs")
        assert main(["resume", number]) == 2
    assert list(Path("precious").iterdir()) == []


def test_an_export_takes_nothing_from_elsewhere(run, capsys):
    Path("secret.txt").write_text(SECRET)
    (run / "model" / "notes.txt").symlink_to(Path("secret.txt").absolute())
    with pytest.raises(UserError, match=r"must hold files of its own alone, but .*notes\.txt"):
        export(run / "model", Path("out"), task="mlm", run_id="1")
    assert not Path("out").exists()


class Server(BaseHTTPRequestHandler):
    """An MLflow server whose artifacts want to be written two folders higher."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.endswith("runs/get"):
            info = {"run_id": "1" * 32, "experiment_id": "1", "status": "FINISHED"}
            info |= {"lifecycle_stage": "active", "artifact_uri": "mlflow-artifacts:/1/x/artifacts"}
            return self.answer({"run": {"info": info, "data": {}}})
        if url.path.endswith("mlflow-artifacts/artifacts"):
            [asked] = parse_qs(url.query).get("path", [""])
            inside = asked.endswith(".yaml")
            path = "../../marker" if inside else "config.yaml"
            return self.answer({"files": [{"path": path, "is_dir": not inside, "file_size": 1}]})
        return self.answer("evil")

    def answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args) -> None:
        pass


def test_artifacts_cannot_climb_out_of_their_folder(here, marker):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    into = here / "a" / "b"
    into.mkdir(parents=True)
    try:
        uri = f"http://127.0.0.1:{server.server_port}"
        remote = open_store(
            TrackingConfig(mode="server", uri=uri), output_dir="outputs", create=False
        )
        with pytest.raises(UserError, match=r"must have a readable config\.yaml"):
            fetch(remote, "1" * 32, into=into)
    finally:
        server.shutdown()
    assert {path.name for path in here.rglob("*")} <= {"corpus.txt", "a", "b", "config.yaml"}


def test_secrets_of_the_environment_are_nowhere_in_what_a_run_leaves(place):
    files = [path for path in (place / "outputs").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    with sqlite3.connect(place / "outputs" / "mlflow.db") as connection:
        [[value]] = connection.execute(
            "SELECT value FROM params WHERE key = 'trainer.hub_model_id'"
        )
    assert value == "me/***"


def test_texts_of_others_move_no_cursor(run, capsys):
    evil = "the path \x1b]0;evil\x07 \x9b2J of a file"
    assert main(["predict", str(run), evil]) == 0
    assert main(["predict", "--json", str(run), evil]) == 0
    assert main(["predict", "\x1b[2J"]) == 2
    shown = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b"} & {*shown.out, *shown.err}
    first, *_, last = shown.out.splitlines()
    assert first == "the path \\x1b]0;evil\\x07 \\x9b2J of a file"
    assert json.loads(last)["text"] == evil
