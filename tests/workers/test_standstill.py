"""The watchdog ends a worker that lives on and handles nothing, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app import bootstrap
from app.events.event import Event
from app.events.schema import EventTypes
from app.streams.control import Decision, decide
from app.streams.entry import Entry
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slots
from config.settings import Settings
from workers.slots import Desks
from workers.standstill import PATIENCE, Standstill


@pytest.fixture
def world(redis_url: str, migrated_sqlite_url: str, tmp_path: Any) -> Any:
    handlers = Handlers()
    on("order.placed", name="shop.check", handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, given_secret="x" * 32)
    platform = bootstrap.build(settings, handlers=handlers, types=EventTypes())
    declare(platform)
    platform.publisher.publish([Event(type="order.placed", data={})])
    yield platform
    platform.close()


def watching(platform: Any) -> tuple[Callable[[float], None], Slots, list[list[str]]]:
    roster = Roster(platform, ("default",))
    slots, ended = Slots(1), []
    standstill = Standstill(Desks(slots, ("default",), 1), roster, ended.append)

    def look(now: float) -> None:
        roster.refresh()
        standstill.look(now)

    return look, slots, ended


def test_a_backlog_that_nobody_takes_ends_the_worker(world: Any) -> None:
    look, _, ended = watching(world)
    for now in (0.0, 5.0, PATIENCE):
        look(now)
    assert ended == []
    look(PATIENCE + 5.0)
    assert ended == [["shop.check"]]


def test_a_worker_with_something_in_hand_is_no_standstill(world: Any) -> None:
    look, slots, ended = watching(world)
    look(0.0)
    look(5.0)
    slots.slot(0).open("consumer", 5.0)
    slots.slot(0).take("consumer", "shop.check", [Entry("stream", b"1-0", b"")])
    look(PATIENCE)
    slots.slot(0).close()
    look(PATIENCE + 5.0)
    look(PATIENCE + 10.0)
    assert ended == []


def test_a_paused_subscription_is_no_standstill(world: Any) -> None:
    decide(world.redis, "shop.check", Decision(paused=True))
    look, _, ended = watching(world)
    for now in (0.0, 5.0, 2 * PATIENCE):
        look(now)
    assert ended == []


def test_progress_elsewhere_begins_the_count_anew(world: Any) -> None:
    look, _, ended = watching(world)
    look(0.0)
    look(5.0)
    # Another worker took the oldest, and a new one waits now.
    stream = "penstock:topic:order:0"
    world.redis.xreadgroup("shop.check", "elsewhere", {stream: ">"}, count=1)
    world.publisher.publish([Event(type="order.placed", data={})])
    look(PATIENCE + 5.0)
    look(PATIENCE + 10.0)
    assert ended == []
