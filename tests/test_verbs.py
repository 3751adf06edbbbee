"""`predict`, `export` and its upload, on one trained run."""

from __future__ import annotations

import copy
import io
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from transformers import pipeline

from electralab.cli import main
from electralab.models.rtd import RtdPair
from tests.conftest import TINY, write_corpus


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("verbs")
    corpus = write_corpus(root / "corpus.txt")
    words = ["data=text", f"data.path={corpus}", f"output_dir={root}/outputs", "tracking=off"]
    assert main([*words, *TINY, "trainer.max_steps=2", "trainer.eval_strategy=no"]) == 0
    [found] = (root / "outputs" / "rtd").iterdir()
    return found


def test_each_word_gets_a_probability(run, capsys):
    assert main(["predict", "--json", str(run), "The path of a file is returned."]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [word["word"] for word in result["words"]] == [
        "The", "path", "of", "a", "file", "is", "returned", ".",
    ]  # fmt: skip
    assert all(0 < word["replaced"] < 1 for word in result["words"])


def standard_input(monkeypatch, content: bytes) -> None:
    stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stream)


def test_masks_are_filled_and_lines_are_read_from_standard_input(run, capsys, monkeypatch):
    standard_input(monkeypatch, b"the [MASK] of a <mask>\nof a file\n")
    assert main(["predict", "--json", "--top-k", "3", str(run)]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [len(fills) for fills in first["masks"]] == [3, 3]
    assert "words" in second


def test_a_text_longer_than_the_model_is_judged_whole(run, capsys):
    text = "the path of a file " * 60
    assert main(["predict", "--json", str(run), text]) == 0
    assert len(json.loads(capsys.readouterr().out)["words"]) == 300


def test_an_export_loads_without_this_project_and_gives_equal_outputs(run, tmp_path):
    target = tmp_path / "out" / "electra"
    assert main(["export", str(run), str(target)]) == 0
    assert sorted(path.name for path in target.iterdir()) == [
        "discriminator",
        "encoder",
        "generator",
    ]
    script = """
import copy, sys, torch, transformers
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, ElectraForPreTraining
out = {}
for part, cls in (("discriminator", ElectraForPreTraining), ("generator", AutoModelForMaskedLM),
                  ("encoder", AutoModel)):
    folder = f"{sys.argv[1]}/{part}"
    model, info = cls.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), (part, info)
    ids = AutoTokenizer.from_pretrained(folder)("the path of a file", return_tensors="pt").input_ids
    with torch.no_grad():
        # A copy, for the last bit depends on where in memory a file puts its tensors.
        out[part] = copy.deepcopy(model).eval()(ids)[0]
out["ids"] = ids
assert "electralab" not in sys.modules
torch.save(out, sys.argv[2])
"""
    saved = tmp_path / "outputs.pt"
    subprocess.run([sys.executable, "-c", script, target, saved], check=True, cwd=tmp_path)
    found = torch.load(saved, weights_only=True)
    pair = copy.deepcopy(RtdPair.from_pretrained(run / "model")).eval()
    with torch.no_grad():
        ids = found["ids"]
        assert torch.equal(found["discriminator"], pair.discriminator(ids).logits)
        assert torch.equal(found["generator"], pair.generator(ids).logits)
        hidden = pair.discriminator.electra(ids).last_hidden_state
        assert torch.equal(found["encoder"], hidden)


def test_masks_are_filled_as_the_pipeline_fills_them_on_the_generator(run, tmp_path, capsys):
    assert main(["export", str(run), str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert main(["predict", "--json", "--top-k", "3", str(run), "of a [MASK] and"]) == 0
    [fills] = json.loads(capsys.readouterr().out)["masks"]
    wanted = pipeline("fill-mask", model=str(tmp_path / "out" / "generator"), top_k=3)
    for ours, theirs in zip(fills, wanted("of a [MASK] and"), strict=True):
        assert ours["token"] == theirs["token_str"]
        assert ours["probability"] == pytest.approx(theirs["score"], abs=1e-6)


def test_an_export_never_overwrites(run, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert main(["export", str(run), str(tmp_path / "mine")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's API as an upload of small files needs."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.calls.append((self.path, self.headers.get("Authorization"), body))
        here = f"http://127.0.0.1:{self.server.server_port}/me/electra"
        if self.path == "/api/repos/create":
            reply = {"url": here, "id": "me/electra"}
        elif self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            reply = {
                "files": [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in files
                ]
            }
        else:
            reply = {"commitUrl": f"{here}/commit/{'1' * 40}", "commitOid": "1" * 40}
        self._answer(self.server.status, reply)

    def do_GET(self):
        self._answer(200, {"sha": "1" * 40, "id": "me/electra"})

    def _answer(self, status, reply):
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.calls, server.status = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def export_to(hub, run, target) -> subprocess.CompletedProcess:
    import os

    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    words = [sys.executable, "-m", "electralab", "export", run, target, "--push", "me/electra"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_push_uploads_the_export(hub, run, tmp_path):
    done = export_to(hub, run, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    [commit] = [body for path, _, body in hub.calls if "/commit/" in path]
    paths = {json.loads(line)["value"].get("path") for line in commit.splitlines()}
    assert {
        "discriminator/model.safetensors",
        "encoder/config.json",
        "generator/README.md",
    } <= paths
    assert all(token == "Bearer hf_secret" for _, token, _ in hub.calls)
    assert "hf_secret" not in done.stdout + done.stderr


def test_push_takes_an_earlier_export_of_the_same_run(hub, run, tmp_path):
    target = tmp_path / "out"
    assert main(["export", str(run), str(target)]) == 0
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    done = export_to(hub, run, target)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before
    (target / "encoder" / "README.md").write_text("of another run")
    assert export_to(hub, run, target).returncode == 2


def test_a_hub_that_refuses_leaves_the_export_and_one_line(hub, run, tmp_path):
    hub.status = 401
    done = export_to(hub, run, tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert (tmp_path / "out" / "encoder").is_dir()
