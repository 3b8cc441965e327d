"""What is dropped from a topic: nothing that a living subscription needs, whatever its age."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from app.streams.client import connect
from app.streams.trim import trim

STREAM = "penstock:topic:order:0"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as found:
        for number in range(1, 11):
            found.execute_command("XADD", STREAM, f"{number}000-0", "e", b"{}")
        yield found


def group(client: redis.Redis, name: str, read: int, acknowledged: int = 0) -> None:
    """A group that was given `read` entries and settled the first `acknowledged` of them."""
    client.xgroup_create(STREAM, name, "0")
    if read:
        (_, entries), *_ = client.xreadgroup(name, "someone", {STREAM: ">"}, count=read)
        for id, _ in entries[:acknowledged]:
            client.xack(STREAM, name, id)


def kept(client: redis.Redis) -> list[int]:
    return [int(id.partition(b"-")[0]) // 1000 for id, _ in client.xrange(STREAM)]


def test_without_a_group_the_age_decides(client: redis.Redis) -> None:
    assert trim(client, [STREAM], 6000) == 5
    assert kept(client) == [6, 7, 8, 9, 10]


def test_what_is_unread_stays_however_old(client: redis.Redis) -> None:
    group(client, "quick", 10, acknowledged=10)
    group(client, "slow", 3, acknowledged=3)
    trim(client, [STREAM], int(time.time() * 1000))
    assert kept(client) == [4, 5, 6, 7, 8, 9, 10]


def test_what_is_open_stays_however_old(client: redis.Redis) -> None:
    group(client, "stuck", 10, acknowledged=1)
    trim(client, [STREAM], int(time.time() * 1000))
    assert kept(client)[0] == 2


def test_a_retired_subscription_holds_nothing_back(client: redis.Redis) -> None:
    group(client, "gone", 0)
    group(client, "quick", 10, acknowledged=10)
    trim(client, [STREAM], 9000, retired={"gone"})
    assert kept(client) == [9, 10]


def test_a_stream_that_is_not_there_is_nothing_to_do(redis_url: str) -> None:
    with connect(redis_url) as client:
        assert trim(client, ["penstock:topic:nothing:0"], 1) == 0
