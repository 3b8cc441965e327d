"""What depends on the time of day, when a clock jumps: a worker's, or the server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.cqrs.following import Following
from app.events.event import Event
from app.events.schema import EventTypes
from app.streams import keys
from app.subscriptions.caretaker import TERM, Caretaker
from app.subscriptions.declaration import Handlers
from app.subscriptions.reclaim import Reaper
from app.subscriptions.relay import Relay
from app.subscriptions.schedule import FIRED, every
from app.testing import FakeClock
from config.settings import Settings

DAY, YEAR = 86_400.0, 365 * 86_400.0


class JumpingClock(FakeClock):
    """A clock whose wall time can be set."""

    def jump(self, seconds: float) -> None:
        self._start += seconds


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def platform(
    redis_url: str, migrated_sqlite_url: str, tmp_path: Path, clock: JumpingClock
) -> Iterator[Platform]:
    handlers = Handlers()
    every("0 3 * * *", name="nightly", handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url)
    made = bootstrap.build(settings, clock=clock, handlers=handlers, types=EventTypes())
    made.schedules.declare()
    yield made
    made.close()


def _fired(platform: Platform) -> list[str]:
    """The days on which the nightly one fired."""
    stream = keys.topic_stream("schedule", 0)
    events = [Event.from_bytes(fields[b"e"]) for _, fields in platform.redis.xrange(stream)]
    return [event.data["due"][:10] for event in events if event.type == FIRED]


def _live(platform: Platform, clock: JumpingClock, days: int) -> None:
    for _ in range(days * 24):
        clock.advance(3600)
        platform.schedules.fire()


def test_a_schedule_goes_on_after_a_clock_that_was_a_year_ahead(
    platform: Platform, clock: JumpingClock
) -> None:
    _live(platform, clock, 2)
    clock.jump(YEAR)
    platform.schedules.fire()
    clock.jump(-YEAR)
    _live(platform, clock, 2)
    assert _fired(platform) == [
        "2026-01-01",
        "2026-01-02",
        "2027-01-02",
        "2026-01-03",
        "2026-01-04",
    ]


def test_a_clock_that_is_set_back_over_a_moment_fires_it_once(
    platform: Platform, clock: JumpingClock
) -> None:
    _live(platform, clock, 1)
    clock.jump(-22 * 3600)  # two in the morning, once more
    _live(platform, clock, 2)
    assert _fired(platform) == ["2026-01-01", "2026-01-02"]


def test_a_clock_that_jumps_ahead_makes_nothing_old(
    platform: Platform, clock: JumpingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[float] = []
    monkeypatch.setattr(platform, "prune", pruned.append)
    caretaker = _caretaker(platform, "w1")
    before = clock.now()
    clock.advance(60)
    clock.jump(YEAR)
    caretaker.forget_old()
    clock.jump(-YEAR - DAY)
    caretaker.forget_old()
    assert pruned == [before + 60, before + 60 - DAY]


def test_a_dead_caretaker_is_replaced_though_the_servers_clock_went_back(
    platform: Platform,
) -> None:
    """Its key ends by the server's clock, which may have an hour to go until then."""
    platform.redis.hset(keys.WORKERS, "dead", b'{"pid":1}')
    platform.redis.set(keys.CARETAKER, "dead", px=TERM + 3_600_000)
    assert not _caretaker(platform, "w1").is_it()
    _reaper(platform, "w1").bury("dead")
    assert _caretaker(platform, "w1").is_it()
    platform.redis.hset(keys.WORKERS, "w1", b'{"pid":2}')
    assert not _caretaker(platform, "w2").is_it()


def _caretaker(platform: Platform, worker: str) -> Caretaker:
    return Caretaker(platform, worker, _reaper(platform, worker))


def _reaper(platform: Any, worker: str) -> Reaper:
    return Reaper(platform.redis, platform.broker(), list, platform.clock, worker)


def test_who_died_while_the_clock_was_ahead_is_followed_when_it_is_set_right(
    platform: Platform, clock: JumpingClock
) -> None:
    def put(number: int) -> None:
        with platform.database.session() as session:
            platform.outbox.add(session, [Event(type="order.placed", data=number)])

    clock.jump(3600.0)
    put(1)
    assert Relay(platform, "dead").drain() == 1
    assert Following(platform, "dead").is_active()
    put(2)
    assert Relay(platform, "other").drain() == 0
    clock.jump(-3600.0)
    assert Relay(platform, "other").drain() == 1
    assert Following(platform, "other").is_active()
    assert not Following(platform, "third").is_active()
