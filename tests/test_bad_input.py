"""Mistakes of a user, through the command line: a status, a line a mistake, nothing half done.

The cases stand in `tests/mistakes/`, most of their lines word for word in `lines.yaml` there.
"""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import socket
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from electralab.checking.metrics import EVAL_METRICS
from electralab.cli import main
from electralab.timing import TIMING_METRICS
from tests.conftest import TINY, write_corpus
from tests.mistakes import chains, inputs, labels, mlm, models, rows, runs, texts, translation
from tests.mistakes.case import RUN, Base, Place, read, train

FILES = (texts, mlm, models, rows, runs, translation, labels, chains, inputs)
CASES = {name: case for file in FILES for name, case in file.case.items()}
LINES = yaml.safe_load((Path(inputs.__file__).parent / "lines.yaml").read_text(encoding="utf-8"))
SECONDS = 30  # a mistake is said within; a busy machine included


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Base:
    root = tmp_path_factory.mktemp("base")
    corpus = write_corpus(root / "corpus.txt", documents=120)
    words = ["data=text", f"data.path={corpus}", f"output_dir={root}/outputs", *TINY]
    assert main([*words, "trainer.max_steps=1"]) == 0
    [run] = (root / "outputs" / "rtd").iterdir()
    assert main(["export", str(run), str(root / "export")]) == 0
    store = root / "outputs" / "mlflow.db"
    return Base(corpus=corpus, run=run, export=root / "export", store=store)


def tree(folder: Path) -> set[str]:
    """What lies in a folder and must not change: all but the cache and the lock of the store."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    allowed = ("outputs/cache", "outputs/mlflow.lock")
    return {name for name in found if not name.startswith(allowed)}


def tracked(store: Path) -> int:
    """The number of runs in a store."""
    if not store.exists():
        return 0
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT count(*) FROM runs").fetchone()[0]


def problems(capsys) -> list[str]:
    """The lines on standard error that are not the two reports of a run's progress."""
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if not re.match(r"data   |model  |       |  !    ", line)]


@pytest.fixture
def place(here, base) -> Place:
    """An empty folder but for a corpus, and the store of an earlier run."""
    write_corpus(here / "corpus.txt", documents=120)
    (here / "outputs").mkdir()
    shutil.copy(base.store, here / "outputs" / "mlflow.db")
    return Place(here, base)


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, place, capsys, caplog):
    wanted = CASES[name]
    words = wanted.words(place)
    before = tree(place.path)
    capsys.readouterr()
    start = time.monotonic()
    status = main(words)
    assert time.monotonic() - start < SECONDS
    said = problems(capsys)
    assert len(said) == 1, said
    assert said[0] == LINES.get(name, said[0])
    assert [part for part in wanted.said if part not in said[0]] == [], said[0]
    assert not re.search("Traceback|HYDRA_FULL_ERROR|secret", said[0])
    assert status == wanted.status, said
    # What libraries log would stand beside the line.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert tree(place.path) == before
    if name != "store-that-is-none":
        assert tracked(place.path / "outputs" / "mlflow.db") == 1


def test_of_most_kinds_the_whole_line_is_known():
    assert len(CASES) == sum(len(file.case) for file in FILES)  # no name hides another
    assert set(LINES) <= set(CASES) and set(inputs.case) <= set(LINES)
    assert len(LINES) >= 60


def test_all_mistakes_are_said_at_once(place, capsys):
    before = tree(place.path)
    words = ["task.mask_prob=0", "data.path=nowhere.txt", "trainer.nope=1", "data.limit=None"]
    assert main(train(*words, "model.tokenizer=./t", "output_dir=corpus.txt")) == 2
    keys = {"task.mask_prob", "data.path", "trainer.nope", "data.limit", "model.tokenizer"}
    said = problems(capsys)
    assert {line.split("`")[1] for line in said} == keys | {"output_dir"}
    assert len(said) == 6 and tree(place.path) == before


def test_in_an_empty_folder_there_is_an_empty_store_at_most(here, capsys):
    (here / "a.csv").write_text("id,text\n1,fine\n2,too,many\n")
    assert main(read("csv", "a.csv")) == 2
    assert len(problems(capsys)) == 1
    assert tree(here) <= {"a.csv", "outputs", "outputs/mlflow.db"}
    assert tracked(here / "outputs" / "mlflow.db") == 0


def test_a_server_that_never_answers(place, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        start = time.monotonic()
        assert main(train("tracking=server", f"tracking.uri={uri}")) == 1
    assert time.monotonic() - start < SECONDS
    [line] = problems(capsys)
    assert uri in line and "did not answer in time" in line


def test_a_server_that_is_no_mlflow(place, capsys):
    class Page(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        do_GET = do_POST

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = tree(place.path)
    try:
        uri = f"http://127.0.0.1:{server.server_port}"
        assert main(train("tracking=server", f"tracking.uri={uri}")) == 1
    finally:
        server.shutdown()
    [line] = problems(capsys)
    assert f"`tracking.uri` {uri} cannot be used" in line and tree(place.path) == before


def test_standard_input_of_no_utf_8(place, capsys, monkeypatch):
    place.run()
    stream = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["predict", RUN]) == 2
    [line] = problems(capsys)
    assert "UTF-8" in line and "0xe9" in line


@pytest.mark.parametrize("words", [["--top-k", "2", "of a [MASK]"], ["--", "--of a [MASK]"]])
def test_options_may_stand_between_arguments_and_texts_may_begin_with_dashes(place, capsys, words):
    place.run()
    assert main(["predict", RUN, *words]) == 0
    assert "of a [MASK]" in capsys.readouterr().out


def test_a_training_that_diverges_fails_with_the_reason(place, capsys):
    assert main(train("trainer.learning_rate=1e30", "name=diverging")) == 1
    said = problems(capsys)
    assert "diverged" in said[-1] and "`trainer.learning_rate`" in said[-1]
    assert not any("Traceback" in line or "Warning" in line for line in said)
    [run] = (place.path / "outputs" / "diverging").iterdir()
    assert json.loads((run / "summary.json").read_text())["status"] == "FAILED"


def test_the_best_checkpoint_can_be_chosen_by_all_that_is_measured(base):
    metrics = json.loads((base.run / "summary.json").read_text())["metrics"]
    measured = {name for name in metrics if name.startswith("eval_")} - TIMING_METRICS
    assert measured == {f"eval_{name}" for name in EVAL_METRICS["rtd"]}
