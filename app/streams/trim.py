"""Dropping events that nobody needs any more.

A topic keeps its events for the retention time, and never less than what a
group still needs. It is cut at an id (`MINID`), never at a length, by the
server itself (`trim.lua`): there may be hundreds of topics.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import redis

from app.streams.client import run_script

STREAMS = 20
"""How many streams are cut in one step, during which the server does nothing else."""


def trim(
    client: redis.Redis,
    streams: Sequence[str],
    keep_since_ms: int,
    retired: Collection[str] = (),
) -> int:
    """Drop what is older than `keep_since_ms` and needed by no group; how many entries that were.

    Groups of subscriptions that are retired, and so may never come back, keep nothing longer.
    """
    arguments = (max(0, keep_since_ms), *sorted(retired))
    return sum(
        int(run_script(client, "trim", streams[start : start + STREAMS], arguments))
        for start in range(0, len(streams), STREAMS)
    )
