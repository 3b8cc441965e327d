"""Dropping events that nobody needs any more.

A topic keeps its events for the retention time, and never less than what a
group still needs: the oldest pending entry, or the one after the last
delivered. It is cut at an id (`MINID`), never at a length.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import redis
from redis.exceptions import ResponseError

from app.streams.topics import info_mapping, position_order


def trim(
    client: redis.Redis, stream: str, keep_since_ms: int, retired: Collection[str] = ()
) -> int:
    """Drop what is older than `keep_since_ms` and needed by no group; how many entries that were.

    Groups of subscriptions that are retired, and so may never come back, keep nothing longer.
    """
    try:
        found = client.execute_command("XINFO", "GROUPS", stream)
    except ResponseError:
        return 0  # the stream is not there yet
    groups = [info_mapping(group) for group in found]
    groups = [group for group in groups if group["name"].decode() not in retired]
    bound = min([(keep_since_ms, 0), *(first_needed(client, stream, group) for group in groups)])
    if bound <= (0, 0):
        return 0
    return int(client.execute_command("XTRIM", stream, "MINID", f"{bound[0]}-{bound[1]}"))


def first_needed(client: redis.Redis, stream: str, group: dict[str, Any]) -> tuple[int, int]:
    """The first position that a group still needs."""
    if group["pending"]:
        summary = client.execute_command("XPENDING", stream, group["name"])
        oldest = summary["min"] if isinstance(summary, dict) else summary[1]
        if oldest:
            return position_order(oldest.decode())
    milliseconds, number = position_order(group["last-delivered-id"].decode())
    return milliseconds, number + 1
