from __future__ import annotations

from electralab.tracking.writer import MetricWriter


def write(failures: int) -> tuple[int, list, int]:
    """Closes a writer over a store that refuses so many times: points left, points taken, tries."""
    taken, tries = [], []

    def send(points):
        tries.append(len(points))
        if len(tries) <= failures:
            raise OSError("another writer was here first")
        taken.extend(points)

    writer = MetricWriter(send)
    writer.put([1, 2, 3])
    return writer.close(), taken, len(tries)


def test_a_store_that_was_only_busy_gets_every_point_once():
    assert write(failures=0)[:2] == (0, [1, 2, 3])
    assert write(failures=1)[:2] == (0, [1, 2, 3])


def test_a_store_that_goes_on_refusing_is_given_up():
    left, taken, tries = write(failures=99)
    assert (left, taken) == (3, []) and tries >= 2
