"""The thread beside the training: order, retries, and what is refused for good."""

from __future__ import annotations

import os
import threading
import time

import pytest

from electralab.tracking import journal as module
from electralab.tracking.journal import Journal, iter_entries
from electralab.tracking.writer import Writer

TAKEN = {"mode": "server", "uri": "http://x"}


def point(number: int) -> tuple[str, float, int, int]:
    return "loss", float(number), number, number


def write(failures: int) -> tuple[bool, list, int]:
    """Delivers to a store that refuses so many times: whether all is there, what is, tries."""
    taken, tries = [], []

    def send(entry):
        tries.append(entry)
        if len(tries) <= failures:
            raise OSError("another writer was here first")
        taken.extend(entry["points"])

    writer = Writer(Journal(), send)
    for point in (1, 2, 3):
        writer.put({"points": [point]})
    complete = writer.deliver(5)
    writer.close()
    return complete, taken, len(tries)


def test_a_store_that_was_only_busy_gets_every_point_once_in_one_request():
    assert write(failures=0) == (True, [1, 2, 3], 1)
    assert write(failures=1) == (True, [1, 2, 3], 2)


def test_a_store_that_goes_on_failing_is_given_up_at_once():
    started = time.monotonic()
    assert write(failures=99) == (False, [], 2)
    assert time.monotonic() - started < 10


def test_what_is_refused_for_good_does_not_hold_up_the_rest():
    taken = []

    def send(entry):
        if "file" in entry:
            raise FileNotFoundError("gone")
        taken.append(entry)

    writer = Writer(Journal(), send)
    for entry in ({"tags": {"a": "1"}}, {"file": "x", "to": None}, {"tags": {"b": "2"}}):
        writer.put(entry)
    assert writer.deliver(5)
    assert taken == [{"tags": {"a": "1"}}, {"tags": {"b": "2"}}]
    assert writer.refused == {"artifact": 1}


def test_a_store_that_hangs_holds_up_neither_putting_nor_the_end(tmp_path):
    answer = threading.Event()
    journal = Journal()
    journal.keep_in(tmp_path, run_id="a", store=TAKEN)
    writer = Writer(journal, lambda entry: answer.wait(30))
    writer.start()
    started = time.monotonic()
    for step in range(500):
        writer.put({"points": [["loss", 1.0, step, step]]})
    assert time.monotonic() - started < 5
    assert not writer.deliver(0.3)
    writer.close()
    assert time.monotonic() - started < 10
    assert len(list(journal.unsent())) == 500
    answer.set()


def test_what_a_store_that_hangs_was_given_from_memory_is_not_there_yet(tmp_path):
    """Where there is no room on the disk; what finds room in the end is kept for later."""
    answer = threading.Event()
    journal = Journal()
    writer = Writer(journal, lambda entry: answer.wait(30))
    writer.put({"tags": {"a": "1"}})
    assert not writer.deliver(0.3)
    journal.keep_in(tmp_path, run_id="a", store=TAKEN)
    writer.close()
    answer.set()
    assert {"tags": {"a": "1"}} in iter_entries(tmp_path / module.NAME)


def test_what_is_put_while_the_thread_ends_its_round_is_waited_for(monkeypatch):
    journal, marking, taken = Journal(), threading.Event(), []

    def slow():
        marking.set()
        time.sleep(0.2)

    monkeypatch.setattr(journal, "mark", slow)
    writer = Writer(journal, taken.append)
    writer.put({"tags": {"a": "1"}})
    writer.start()
    assert marking.wait(10)
    writer.put({"tags": {"b": "2"}})
    assert writer.deliver(10)
    assert taken == [{"tags": {"a": "1"}}, {"tags": {"b": "2"}}]


def test_what_is_said_reaches_the_disk_though_no_store_takes_it(tmp_path, monkeypatch):
    """In the thread, so that a slow disk holds up no step."""
    synced, sync = [], os.fsync

    def noting(handle):
        synced.append((threading.current_thread().name, os.fstat(handle).st_ino))
        sync(handle)

    def fail(entry):
        raise OSError("Connection refused")

    monkeypatch.setattr(os, "fsync", noting)
    journal = Journal()
    journal.keep_in(tmp_path, run_id="a", store=TAKEN)
    writer = Writer(journal, fail)
    writer.put({"tags": {"a": "1"}})
    assert not writer.deliver(5)
    file = (tmp_path / module.NAME).stat().st_ino
    assert set(synced) == {("tracking", file)}
    synced.clear()
    writer.close()  # the last entries came when the thread did not look
    assert synced == [("MainThread", file)]


def test_a_queue_outlives_its_process_and_knows_what_is_sent(tmp_path):
    """Also when the last line was cut off, and when what it says is of another run."""
    first = Journal()
    first.add({"params": {"a": "1"}})  # before there is a folder
    first.keep_in(tmp_path, run_id="a", store=TAKEN)
    first.taken(first.next())
    first.mark()
    first.add({"tags": {"b": "2"}})
    with (tmp_path / module.NAME).open("ab") as file:  # the first process is killed here
        file.write(b'{"tags": {"c')
    second = Journal()
    second.keep_in(tmp_path, run_id="a", store=TAKEN)
    second.add({"tags": {"d": "4"}})
    assert list(second.unsent()) == [{"tags": {"b": "2"}}, {"tags": {"d": "4"}}]
    other = Journal()
    other.keep_in(tmp_path, run_id="b" * 32, store=TAKEN)
    assert list(other.unsent()) == []
    assert {"params": {"a": "1"}} in iter_entries(tmp_path / "tracking-a.jsonl")


@pytest.mark.parametrize("part", [0, 7])
def test_a_full_disk_loses_nothing_that_memory_has_room_for(tmp_path, monkeypatch, part):
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    journal = Journal()
    journal.keep_in(tmp_path, run_id="a", store=TAKEN)
    file = journal._file

    class Full:
        """Takes a part of a line, or none of it."""

        def write(self, line):
            if not part:
                raise OSError(28, "No space left on device")
            return file.write(line[:part])

        def __getattr__(self, name):
            return getattr(file, name)

    journal._file = Full()
    for number in range(7):
        journal.add({"points": [point(number)]})
    assert journal.lost == 2
    parcel = journal.next()  # a server elsewhere takes them from memory
    assert parcel.entry == {"points": [list(point(number)) for number in range(2, 7)]}
    assert len(list(journal.unsent())) == 5  # they have not arrived yet
    journal.returned()
    journal._file = file
    journal.add({"points": [point(7)]})
    kept = [entry["points"] for entry in journal.entries() if "points" in entry]
    assert kept == [[point(number)] for number in range(2, 8)]
