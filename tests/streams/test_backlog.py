"""How far groups are behind, as the server sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from app.streams.backlog import Backlog, backlog, backlogs
from app.streams.client import connect

NOTHING = Backlog(0, 0, None)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as found:
        yield found


def _read(client: redis.Redis, stream: str, group: str, count: int) -> None:
    client.xreadgroup(group, "consumer", {stream: ">"}, count=count)


def test_what_is_unread_and_open_adds_up_over_streams(client: redis.Redis) -> None:
    for stream in ("one", "two"):
        client.xgroup_create(stream, "group", id="0", mkstream=True)
        for number in range(3):
            client.xadd(stream, {"n": number}, id=f"{number + 1}-0")
    _read(client, "one", "group", 2)
    assert backlog(client, "group", ["one", "two"]) == Backlog(4, 2, 1)


def test_a_group_that_is_not_there_yet_has_everything_before_it(client: redis.Redis) -> None:
    client.xadd("one", {"n": 1}, id="7-0")
    assert backlog(client, "group", ["one", "no such stream"]) == Backlog(1, 0, 7)


def test_nothing_there_is_nothing_behind(client: redis.Redis) -> None:
    assert backlog(client, "group", ["no such stream"]) == NOTHING
    assert backlogs(client, {}) == {}


def test_deleted_entries_are_not_waited_for(client: redis.Redis) -> None:
    client.xgroup_create("one", "group", id="0", mkstream=True)
    for number in range(4):
        client.xadd("one", {"n": number}, id=f"{number + 1}-0")
    _read(client, "one", "group", 1)
    client.xdel("one", "2-0", "3-0")
    found = backlog(client, "group", ["one"])
    assert found.oldest == 4 and found.unread in (1, None), "the server may not know how many"
    client.xdel("one", "4-0")
    assert backlog(client, "group", ["one"]) == Backlog(0, 1, None)


def test_many_groups_of_many_streams_keep_apart(client: redis.Redis) -> None:
    """More streams than one look takes, two groups on each."""
    streams = [f"stream-{number}" for number in range(230)]
    for number, stream in enumerate(streams):
        client.xgroup_create(stream, f"group-{number}", id="0", mkstream=True)
        client.xadd(stream, {"n": number}, id=f"{number + 1}-0")
    _read(client, streams[200], "group-200", 1)
    wanted = {f"group-{number}": [stream] for number, stream in enumerate(streams)}
    found = backlogs(client, wanted | {"other": streams})
    assert found["group-200"] == Backlog(0, 1, None)
    assert found["group-229"] == Backlog(1, 0, 230)
    assert found["other"] == Backlog(230, 0, 1)
