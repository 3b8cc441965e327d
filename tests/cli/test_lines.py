"""JSON lines from a pipe: the good ones are published, the bad ones are named."""

from __future__ import annotations

import os
import threading

import pytest

from app.cli import lines
from app.errors import EventTooLarge, Unavailable
from tests.web.fakes import FakePlatform


class Publisher:
    """Accepts all but what is too large, which it does not name."""

    def __init__(self):
        self.types = []

    def publish(self, events):
        for event in events:
            if event.subject == "huge":
                raise EventTooLarge("An event is over the limit.")
            if event.subject == "down":
                raise Unavailable("Redis is away.")
        self.types += [event.type for event in events]
        return [True for _ in events]


def feed(*texts: str) -> list[list[lines.Line]]:
    reader, writer = os.pipe()
    os.write(writer, "".join(texts).encode())
    os.close(writer)
    try:
        return list(lines.read(reader))
    finally:
        os.close(reader)


def test_lines_are_numbered_as_an_editor_does():
    assert feed('{"a": 1}\n\n{"b": 2}') == [[(1, b'{"a": 1}'), (3, b'{"b": 2}')]]


def test_nothing_gives_no_batch():
    assert feed("") == []
    assert feed("\n\n") == []


def test_many_lines_come_in_batches():
    batches = feed(*["x\n"] * (lines.BATCH * 2 + 1))
    assert [len(batch) for batch in batches] == [lines.BATCH, lines.BATCH, 1]
    assert batches[-1][0][0] == lines.BATCH * 2 + 1


def test_a_line_does_not_wait_for_one_that_never_comes():
    reader, writer = os.pipe()
    os.write(writer, b"first\n")
    batches = lines.read(reader)
    got: list[list[lines.Line]] = []
    thread = threading.Thread(target=lambda: got.append(next(batches)))
    thread.start()
    thread.join(timeout=10)
    os.close(writer)
    assert got == [[(1, b"first")]]
    os.close(reader)


def test_bad_lines_are_named_and_the_others_published():
    platform, counts = FakePlatform(), lines.Counts()
    bad = [(2, b"{"), (3, b"[1]"), (4, b'{"data": 1}'), (5, b'{"type": "order.placed"}')]
    good = [(1, b'{"type": "order.placed", "data": {"amount": 1}}'), (6, b'{"type": "a.b"}')]
    lines.publish(platform.publisher.publish, sorted(bad + good), counts)
    assert [event["type"] for event in platform.publisher.published] == ["order.placed", "a.b"]
    assert (counts.accepted, counts.refused) == (2, 4)
    assert sorted(number for number, _ in counts.problems) == [2, 3, 4, 5]
    assert "data.amount" in dict(counts.problems)[5]


def test_not_a_number_is_no_json():
    counts = lines.Counts()
    lines.publish(Publisher().publish, [(1, b'{"type": "a.b", "data": NaN}')], counts)
    assert counts.refused == 1


def test_one_event_too_large_does_not_stop_the_others():
    publisher, counts = Publisher(), lines.Counts()
    batch = [(n, b'{"type": "a.b"}') for n in range(1, 8)]
    batch[4] = (5, b'{"type": "a.b", "subject": "huge"}')
    lines.publish(publisher.publish, batch, counts)
    assert (counts.accepted, counts.problems) == (6, [(5, "An event is over the limit.")])


def test_a_server_that_is_away_stops_everything():
    with pytest.raises(Unavailable):
        lines.publish(
            Publisher().publish, [(1, b'{"type": "a.b", "subject": "down"}')], lines.Counts()
        )
