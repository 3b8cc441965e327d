"""The net under the watch: what a child held that went unnoticed, and a worker that nobody knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.events.event import Event
from app.events.schema import EventTypes
from app.streams import keys
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.reclaim import SWEEP, Reaper
from app.testing import FakeClock
from config.settings import Settings

NAME, WORKER = "shop.check", "here-1-ab12"
STREAM, AGAIN = keys.topic_stream("order", 0), keys.again_stream(NAME)
NOBODY = 2**22 + 7
"""A process id above every one that exists."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def platform(
    redis_url: str, migrated_sqlite_url: str, tmp_path: Path, clock: FakeClock
) -> Iterator[Platform]:
    handlers = Handlers()
    on("order.placed", name=NAME, handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url)
    made = bootstrap.build(settings, clock=clock, handlers=handlers, types=EventTypes())
    declare(made)
    yield made
    made.close()


def _take(platform: Platform, consumer: str) -> str:
    """A consumer takes an event of its own; the event's id."""
    event = Event(type="order.placed", data={})
    platform.publisher.publish([event])
    platform.broker().read(NAME, consumer, [STREAM], 1)
    return event.id


def test_what_a_child_held_that_went_unnoticed_comes_back(
    platform: Platform, clock: FakeClock
) -> None:
    unnoticed = _take(platform, f"{WORKER}.{NOBODY}.0")
    unknown = _take(platform, f"elsewhere-1-cd34.{NOBODY}.0")
    _take(platform, f"{WORKER}.{os.getpid()}.0")
    _take(platform, f"other-1-ef56.{NOBODY}.0")  # a process of a machine that we can't see
    reaper = Reaper(platform.redis, platform.broker(), lambda: [STREAM, AGAIN], clock, WORKER)

    def look() -> None:
        for worker in (WORKER, "other-1-ef56"):
            told = {"place": f"far away at {clock.now()}", "pid": 1}
            platform.redis.hset(keys.WORKERS, worker, msgspec.json.encode(told))
        assert reaper.look() == []

    look()
    assert platform.redis.xpending(STREAM, NAME)["pending"] == 4, "not at the first look"
    clock.advance(SWEEP + 1)
    look()
    back = [Event.from_bytes(fields[b"e"]) for _, fields in platform.redis.xrange(AGAIN)]
    assert {event.id for event in back} == {unnoticed, unknown}
    holders = {one["name"].decode() for one in platform.redis.xpending(STREAM, NAME)["consumers"]}
    assert holders == {f"{WORKER}.{os.getpid()}.0", f"other-1-ef56.{NOBODY}.0"}
