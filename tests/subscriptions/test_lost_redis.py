"""A server that comes back without its memory, or without the end of it, while SQL and all processes stand further."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as Lost

from app.clock import instant
from app.events.arrival import Arrival
from app.events.event import Event
from app.store.eventstore.store import EventStore
from app.streams import keys, topics
from app.subscriptions.caretaker import Caretaker
from app.subscriptions.reclaim import Reaper
from app.subscriptions.relay import Relay
from app.subscriptions.schedule import every
from app.testing import FakeClock


def placed(number: int) -> Event:
    return Event(type="order.placed", id=f"order-{number}", data=number)


def append(platform, *numbers: int) -> None:
    platform.event_store.append("order", [placed(number) for number in numbers])


def topic(platform) -> list[int]:
    found = platform.redis.xrange(keys.topic_stream("order", 0))
    return [Event.from_bytes(fields[b"e"]).data for _, fields in found]


def archive(platform, *numbers: int) -> None:
    """As the subscription `penstock.archive` does."""
    now = instant(platform.clock.now())
    for event in [placed(number).but(recordedtime=now) for number in numbers]:
        stored = event.to_bytes()
        platform.archive.add([Arrival(event, "order", 0, f"1-{event.data}", stored)])


def test_what_was_appended_and_is_in_no_archive_is_published_again(platform):
    append(platform, 1, 2, 3, 4)
    relay = Relay(platform, "one")
    assert relay.drain() == 4
    archive(platform, 1, 2)
    platform.redis.flushall()
    assert relay.drain() == 2
    assert topic(platform) == [3, 4]
    assert Relay(platform, "one").drain() == 0


def test_what_is_older_than_doubles_are_known_for_stays_where_it_is(platform):
    then = FakeClock(platform.clock.now() - platform.settings.publish_window - 60)
    EventStore(platform.database, then).append("old", placed(1))
    append(platform, 2)
    relay = Relay(platform, "one")
    assert relay.drain() == 2
    platform.redis.flushall()
    relay.drain()
    assert topic(platform) == [2]


def test_a_server_that_lost_the_end_of_its_file_is_given_it_again(platform):
    append(platform, 1)
    relay = Relay(platform, "one")
    relay.drain()
    before = {key: platform.redis.dump(key) for key in platform.redis.scan_iter("penstock:*")}
    append(platform, 2, 3)
    relay.drain()
    platform.redis.flushall()
    for key, value in before.items():
        platform.redis.restore(key, 0, value)
    assert relay.drain() == 2
    assert topic(platform) == [1, 2, 3]


def test_a_server_that_an_older_release_filled_is_given_nothing_twice(platform):
    append(platform, 1, 2)
    Relay(platform, "one").drain()
    platform.redis.delete(keys.RELAYED)
    Relay(platform, "one").drain()
    assert topic(platform) == [1, 2]


def test_topics_are_made_known_again_with_all_their_partitions(platform, monkeypatch):
    monkeypatch.setattr(topics, "LOOK", 0.0)
    platform.stream_topics.configured["order"] = 4
    platform.publisher.publish([placed(1)])
    platform.stream_topics.configured.clear()  # as another process that was told otherwise
    platform.redis.flushall()
    platform.publisher.publish([placed(2)])
    assert platform.stream_topics.all() == {"order": 4}

    def away(*_):
        raise Lost("gone")

    monkeypatch.setattr(platform.redis, "hgetall", away)
    assert platform.stream_topics.partitions("order") == 4


@pytest.mark.parametrize("cancelled", [False, True])
def test_schedules_fire_again_but_for_those_that_were_cancelled(platform, cancelled):
    every("0 3 * * *", name="nightly", handlers=platform.handlers)(lambda event, ctx: None)
    platform.schedules.declare()
    platform.schedules.cancel("nightly", "user:ann")
    if not cancelled:
        platform.schedules.restore("nightly", "user:ann")
    platform.redis.flushall()
    reaper = Reaper(platform.redis, platform.broker(), list, platform.clock, "w1")
    Caretaker(platform, "w1", reaper).mirror_decisions()
    (known,) = platform.schedules.all()
    assert (known.cron, known.cancelled_by) == ("0 3 * * *", "user:ann" if cancelled else None)
