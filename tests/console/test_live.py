"""Live names: one listener for many streams, told together, and back after a loss."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from flask import Flask

from tests.web.fakes import FakePlatform
from web.console.live import MOST_OF_ONE, Feed, messages, names_of


class Script:
    """Changes that a test announces one by one; an exception is a lost connection."""

    def __init__(self) -> None:
        self.turns: queue.Queue[Any] = queue.Queue()
        self.listeners = 0
        self.left = threading.Event()

    def listen(self) -> Iterator[Any]:
        self.listeners += 1
        try:
            while True:
                try:
                    turn = self.turns.get(timeout=0.05)
                except queue.Empty:
                    turn = None
                if isinstance(turn, Exception):
                    raise turn
                yield turn
        finally:
            self.left.set()


def test_what_a_turn_says() -> None:
    assert names_of(None) == names_of([]) == names_of("") == []
    assert names_of("runs models") == names_of(["runs", "models"]) == ["runs", "models"]


def test_many_streams_share_one_listener() -> None:
    changes = Script()
    feed = Feed(changes)
    streams = [feed.join(f"user:{i}") for i in range(20)]
    changes.turns.put(["runs"])
    assert [stream.get(timeout=5) for stream in streams] == ["runs"] * 20
    assert changes.listeners == 1


def test_the_last_one_to_leave_ends_the_listener_and_the_next_begins_anew() -> None:
    changes = Script()
    feed = Feed(changes)
    feed.leave(feed.join("user:ada"))
    assert changes.left.wait(5)
    mine = feed.join("user:ada")
    changes.turns.put("models")
    assert mine.get(timeout=5) == "models"
    assert changes.listeners == 2


def test_after_a_loss_everything_is_looked_at_again() -> None:
    changes = Script()
    mine = Feed(changes).join("user:ada")
    changes.turns.put(ConnectionError("gone"))
    assert mine.get(timeout=5) == "all"
    changes.turns.put(["runs"])
    assert mine.get(timeout=5) == "runs"


def test_who_opens_too_many_loses_the_oldest_and_nobody_elses() -> None:
    feed = Feed(Script())
    other = feed.join("user:bob")
    streams = [messages(feed, "user:ada") for _ in range(MOST_OF_ONE + 1)]
    first = streams[0]
    assert next(first) is None
    for stream in streams[1:]:
        assert next(stream) is None
    assert list(first) == []
    assert other.empty()
    assert next(streams[1]) is None


def test_names_of_a_moment_are_one_message() -> None:
    changes = Script()
    for name in ("runs", "models", "runs"):
        changes.turns.put(name)
    stream = messages(Feed(changes), "user:ada")
    message = next(stream)
    assert message is not None
    assert message.data == "models runs"
    assert next(stream) is None
    stream.close()  # type: ignore[attr-defined]
    assert changes.left.wait(5), "nobody is left, and it still listens"


def test_the_stream_is_for_those_who_may_see(
    app: Flask, admin: Any, platform: FakePlatform
) -> None:
    assert app.test_client().get("/live").status_code == 302
    answer = admin.get("/live")
    assert answer.content_type.startswith("text/event-stream")
    heard = threading.Event()

    def announce() -> None:
        while not heard.wait(0.05):
            platform.changes.announce("runs")

    teller = threading.Thread(target=announce)
    teller.start()
    chunks = [chunk for chunk, _ in zip(answer.response, range(2), strict=False)]
    heard.set()
    teller.join(5)
    answer.close()
    assert b"retry" in chunks[0]
    assert chunks[1] == b"data: runs\n\n"
