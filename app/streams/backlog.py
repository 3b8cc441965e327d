"""How far a group is behind, without guessing.

Redis's own `lag` may be missing or wrong after deletions; where it is, the
number is None, which a page shows as unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

from app.streams.topics import info_mapping, position_order
from app.streams.trim import first_needed


class Backlog(NamedTuple):
    """Unread and open deliveries of a group over its streams; `oldest` is the oldest unread one's time (ms)."""

    unread: int | None
    open: int
    oldest: int | None


def backlog(client: redis.Redis, group: str, streams: Sequence[str]) -> Backlog:
    """The backlog of one group."""
    return backlogs(client, {group: streams})[group]


def backlogs(client: redis.Redis, wanted: dict[str, Sequence[str]]) -> dict[str, Backlog]:
    """The backlogs of several groups, from one round trip per question."""
    streams = list(dict.fromkeys(stream for group in wanted.values() for stream in group))
    pipe = client.pipeline(transaction=False)
    for stream in streams:
        pipe.execute_command("XINFO", "GROUPS", stream)
        pipe.execute_command("XINFO", "STREAM", stream)
    replies = pipe.execute(raise_on_error=False)
    groups = {
        stream: {row["name"].decode(): row for row in map(info_mapping, reply)}
        if not isinstance(reply, Exception)
        else {}
        for stream, reply in zip(streams, replies[::2], strict=True)
    }
    infos = {
        stream: None if isinstance(reply, Exception) else info_mapping(reply)
        for stream, reply in zip(streams, replies[1::2], strict=True)
    }
    oldest = _oldest_unread(client, wanted, groups, infos)
    return {
        name: Backlog(
            _sum(_unread(groups[stream].get(name), infos[stream]) for stream in group),
            sum(groups[stream][name]["pending"] for stream in group if name in groups[stream]),
            min(
                (oldest[name, stream] for stream in group if (name, stream) in oldest), default=None
            ),
        )
        for name, group in wanted.items()
    }


def has_settled(client: redis.Redis, group: str, stream: str, position: str) -> bool:
    """Whether a group has settled all of a stream up to a position, that included."""
    try:
        found = client.execute_command("XINFO", "GROUPS", stream)
    except ResponseError:
        return False  # the stream is not there (any more)
    for row in map(info_mapping, found):
        if row["name"].decode() == group:
            return first_needed(client, stream, row) > position_order(position)
    return False


def has_unread(group: dict[str, Any] | None, info: dict[str, Any] | None) -> bool:
    """Whether a stream has entries that a group was never given."""
    if info is None or not info["length"]:
        return False
    if group is None:
        return True
    last = info["last-entry"][0] if info.get("last-entry") else info["last-generated-id"]
    return position_order(group["last-delivered-id"].decode()) < position_order(last.decode())


def _unread(group: dict[str, Any] | None, info: dict[str, Any] | None) -> int | None:
    if not has_unread(group, info):
        return 0
    if group is None:
        return info["length"] if info else 0
    return group.get("lag")


def _sum(numbers: Any) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _oldest_unread(
    client: redis.Redis, wanted: Any, groups: Any, infos: Any
) -> dict[tuple[str, str], int]:
    """The time of the first unread entry of each (group, stream) that has one."""
    behind = [
        (name, stream)
        for name, group in wanted.items()
        for stream in group
        if has_unread(groups[stream].get(name), infos[stream])
    ]
    pipe = client.pipeline(transaction=False)
    for name, stream in behind:
        group = groups[stream].get(name)
        start = f"({group['last-delivered-id'].decode()}" if group else "-"
        pipe.execute_command("XRANGE", stream, start, "+", "COUNT", 1)
    found = {}
    for place, reply in zip(behind, pipe.execute(raise_on_error=False), strict=True):
        if isinstance(reply, list) and reply:
            found[place] = position_order(reply[0][0].decode())[0]
    return found
