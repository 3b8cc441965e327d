"""A long list of events is written in parts, sent one behind the other: whole, once, and in its order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import ResponseError

from app.clock import SystemClock
from app.errors import Unavailable
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.schema import EventTypes
from app.streams.client import connect, run_script
from app.streams.publisher import PART, Preparer, Publisher
from app.streams.topics import Topics

STREAM = "penstock:topic:order:0"
MANY = PART * 3 + 1


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as found:
        yield found
        found.config_set("maxmemory", 0)


@pytest.fixture
def publisher(client: redis.Redis) -> Publisher:
    catalogue = Catalogue(EventTypes())
    return Publisher(
        client, Preparer(catalogue, Topics(client), SystemClock(), 1_000_000), window=3600
    )


def events() -> list[Event]:
    return [Event(type="order.placed", id=str(n)) for n in range(MANY)]


def ids(client: redis.Redis) -> list[str]:
    return [Event.from_bytes(fields[b"e"]).id for _, fields in client.xrange(STREAM)]


def test_a_long_list_keeps_its_order_and_is_accepted_once(
    client: redis.Redis, publisher: Publisher
) -> None:
    publisher.publish(events()[:2])
    assert publisher.publish(events()) == [False] * 2 + [True] * (MANY - 2)
    client.script_flush()
    client.connection_pool.disconnect()
    assert publisher.publish(events()) == [False] * MANY
    assert ids(client) == [str(n) for n in range(MANY)]


def test_a_refused_list_can_be_sent_again(client: redis.Redis, publisher: Publisher) -> None:
    publisher.publish(events()[:1])
    client.config_set("maxmemory", 1)
    with pytest.raises(Unavailable, match="full"):
        publisher.publish(events())
    client.config_set("maxmemory", 0)
    assert sum(publisher.publish(events())) == MANY - 1
    assert ids(client) == [str(n) for n in range(MANY)]


def test_a_part_waits_for_the_one_before(client: redis.Redis, publisher: Publisher) -> None:
    """Where memory came free between two parts, the second must not overtake the first."""
    arguments = [3600, "penstock:seen:", b"refused", 1, b"digest", b"{}", 0]
    with pytest.raises(ResponseError, match="part before"):
        run_script(client, "publish", [STREAM], arguments)
    assert ids(client) == []
