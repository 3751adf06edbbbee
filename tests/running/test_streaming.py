"""Runs on a stream: the same end after a break, with workers, and a line where it cannot go on."""

from __future__ import annotations

import json
import shutil

import pytest

from electralab.cli import main
from electralab.data import batches, segments, sources
from tests.conftest import TINY, write_corpus
from tests.running.test_resume import cut, history_of, metrics_of, runs, weights_of

RUN = ["data=text", "data.path=small.txt", *TINY, "data.streaming=true", "tracking=off"]
RUN += ["model.dropout=0.1", "trainer.max_steps=14", "trainer.gradient_accumulation_steps=2"]
RUN += ["trainer.save_steps=4", "trainer.eval_steps=7"]


@pytest.fixture
def small(here, monkeypatch):
    """A stream of a head and a few segments, which a run reads more than once."""
    monkeypatch.setattr(sources, "HEAD", 3000)
    monkeypatch.setattr(segments, "CHARACTERS", 1500)
    monkeypatch.setattr(batches, "CHARACTERS", 500)
    monkeypatch.setattr(batches, "FEW", 1)
    return write_corpus(here / "small.txt", documents=60)


def test_a_run_that_was_cut_ends_as_one_that_was_not(small, here, monkeypatch, capsys):
    assert main([*RUN, "name=straight"]) == 0
    assert "a stream; its first" in capsys.readouterr().err
    [straight] = runs(here, "straight")
    [stream] = (here / "outputs" / "cache" / "prepared").glob("*.stream")
    assert (stream / segments.END).is_file()  # so that some examples are of the second pass
    run = cut(monkeypatch, RUN, step=7, folder=here, name="cut")
    shutil.rmtree(stream)
    assert main(["resume", str(run)]) == 0
    assert weights_of(run) == weights_of(straight)
    assert metrics_of(run) == metrics_of(straight)
    assert history_of(run) == history_of(straight)
    assert main([*RUN, "name=workers", "trainer.dataloader_num_workers=2"]) == 0
    assert weights_of(runs(here, "workers")[0]) == weights_of(straight)


def test_a_mistake_far_along_ends_the_run_with_a_line_and_keeps_the_checkpoint(small, here, capsys):
    lines = [json.dumps({"text": text}) for text in small.read_text().splitlines()]
    lines[55] = '{"text": '
    (here / "small.jsonl").write_text("\n".join(lines))
    words = [*RUN, "data=json", "data.path=small.jsonl", "trainer.save_steps=2"]
    for more in ([], ["trainer.dataloader_num_workers=1"]):
        assert main([*words, *more]) == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if "line 56" in line]
        assert line.startswith("small.jsonl, line 56") and "must be JSON lines" in line
        run = runs(here)[-1]
        assert (run / "checkpoints" / "checkpoint-2").is_dir()


def test_what_a_stream_cannot_do_is_said_before_it_begins(small, here, capsys):
    words = [*RUN, "trainer.max_steps=-1", "data.limit=7", "data.clean.drop_duplicates=true"]
    assert main(["check", *words]) == 2
    found = capsys.readouterr()
    for key in ("`trainer.max_steps` must be at least 1", "`data.limit` must be null"):
        assert key in found.out + found.err
    assert "`data.clean.drop_duplicates` must be false" in found.out + found.err
    assert main(["check", "task=classification", "data=moses", "data.streaming=true"]) == 2
    found = capsys.readouterr()
    assert (
        "`data.streaming` must be false unless `task.name` is rtd or mlm" in found.out + found.err
    )
