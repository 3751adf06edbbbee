from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from electralab.tracking import provenance as module
from electralab.tracking.provenance import git_state, provenance, record
from electralab.tracking.redaction import mask_text
from electralab.tracking.run import tracked_run
from tests.tracking.test_run import artifact


def git(folder, *words: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *words],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository with one commit of two files."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-b", "trunk")
    (folder / "train.py").write_text("rate = 1\n")
    (folder / ".env").write_text("PASSWORD=old\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_clean_checkout(checkout, monkeypatch):
    (checkout / "deeper").mkdir()
    monkeypatch.chdir(checkout / "deeper")
    found = provenance()["project"]
    commit = git(checkout, "rev-parse", "HEAD")
    clean = {"dirty": False, "diff": "", "untracked": {}}
    assert found == {"commit": commit, "branch": "trunk", **clean}


def test_changes_are_a_patch_without_secrets(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "train.py").write_text(
        "rate = 2\nuri = 'http://me:s3cret@host'\npassword = 's3cret'\n"
    )
    (checkout / ".env").write_text("PASSWORD=new\n")
    found = git_state(checkout)
    assert found["dirty"] and found["commit"] == commit
    assert "-rate = 1\n+rate = 2\n" in found["diff"]
    assert "PASSWORD" not in found["diff"] and "s3cret" not in found["diff"]
    assert "+password = ***" in found["diff"]


def test_untracked_sources_are_hashed_and_private_files_are_not(checkout):
    (checkout / "deep").mkdir()
    (checkout / "deep" / "new.py").write_text("rate = 4\n")
    (checkout / "my_secrets.py").write_text("rate = 5\n")
    (checkout / "corpus.txt").write_text("not a source\n")
    found = git_state(checkout)["untracked"]
    assert found == {"deep/new.py": hashlib.sha256(b"rate = 4\n").hexdigest()}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("db_password = 'plugh'", "db_password = ***"),
        ('password: str = "plugh"', "password: str = ***"),
        ('{"api_key": "plugh", "rate": 2}', '{"api_key": ***, "rate": 2}'),
        ("export AWS_SECRET_ACCESS_KEY=plugh", "export AWS_SECRET_ACCESS_KEY=***"),
        ("token: plughplughplughplugh", "token: ***"),
        ("secret: plugh  # of ours", "secret: ***  # of ours"),
        ("pad_token = '[PAD]'; token = rows[0]", "pad_token = '[PAD]'; token = rows[0]"),
        ("def log_in(password: str) -> None:", "def log_in(password: str) -> None:"),
        ("password = getpass()", "password = getpass()"),
        ("max_new_tokens: 64", "max_new_tokens: 64"),
    ],
)
def test_values_of_secret_names_are_hidden_and_settings_are_not(line, kept):
    assert mask_text(line) == kept
    assert mask_text(kept) == kept


def test_nothing_that_a_repository_configures_is_run(checkout, tmp_path):
    trace = tmp_path / "was here"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
    script.chmod(0o755)
    for key in ("diff.external", "core.fsmonitor", "diff.x.textconv"):
        git(checkout, "config", key, str(script))
    (checkout / ".gitattributes").write_text("*.py diff=x\n")
    (checkout / "train.py").write_text("rate = 3\n")
    assert "+rate = 3" in git_state(checkout)["diff"]
    assert not trace.exists()


def test_outside_a_checkout_or_without_git(tmp_path, monkeypatch):
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    found = provenance()
    assert found["project"] is None and found["source"] is None


def test_a_repository_without_a_commit(tmp_path):
    git(tmp_path, "init")
    assert git_state(tmp_path) is None


def test_versions_machine_and_command(monkeypatch):
    words = ["tracking.uri=http://a:b@h", "trainer.hub_token=abc", "seed=1"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/electralab", *words])
    found = provenance()
    assert {"electralab", "torch", "transformers", "mlflow"} <= set(found["packages"])
    assert found["python"].count(".") == 2 and found["cpus"] >= 1 and found["cpu"]
    hidden = ["tracking.uri=http://***@h", "trainer.hub_token=***", "seed=1"]
    assert found["command"] == ["electralab", *hidden]
    json.dumps(found)


def test_it_does_not_import_torch():
    code = (
        "import sys; from electralab.tracking.provenance import provenance; found = provenance();"
        "assert found['threads'] is None; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_and_device_of_a_loaded_torch():
    import torch

    found = provenance()
    assert found["threads"] == torch.get_num_threads()
    assert found["device"] == ("cuda" if torch.cuda.is_available() else "cpu")


def test_record_puts_tags_a_file_and_the_patch_into_the_run(store, checkout, monkeypatch):
    (checkout / "train.py").write_text("rate = 2\n")
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(module, "_source", lambda: None)
    found = provenance()
    with tracked_run(store, experiment="rtd", run_name="a", params={}) as run:
        record(run, found)
    tags = store.client().get_run(run.run_id).data.tags
    assert tags["mlflow.source.git.commit"] == git(checkout, "rev-parse", "HEAD")
    assert tags["git.dirty"] == "true" and tags["transformers"]
    assert "+rate = 2" in artifact(store, run.run_id, "provenance/project.diff")
    written = json.loads(artifact(store, run.run_id, "provenance/provenance.json"))
    assert written["project"]["branch"] == "trunk" and "diff" not in written["project"]
