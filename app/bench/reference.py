"""The reference: what one process does with bare commands and nothing else.

redis-py's own `xreadgroup` in batches of 100, `orjson.loads`, and one XACK for
each batch in a pipeline; XADD in a pipeline, or one by one. No ownership check, no retries, no records, no archive.
"""

from __future__ import annotations

import time
from typing import Any

import orjson
import redis

COUNT = 100
STREAM, GROUP = "bench:reference", "bench"


def fill(client: redis.Redis, events: list[bytes]) -> float:
    """Write events by pipelined XADD; events a second."""
    client.delete(STREAM)
    begun = time.perf_counter()
    for start in range(0, len(events), 500):
        pipe = client.pipeline(transaction=False)
        for event in events[start : start + 500]:
            pipe.execute_command("XADD", STREAM, "*", "e", event)
        pipe.execute()
    return len(events) / (time.perf_counter() - begun)


def add_singly(client: redis.Redis, events: list[bytes]) -> float:
    """Write events one round trip each; events a second."""
    begun = time.perf_counter()
    for event in events:
        client.execute_command("XADD", STREAM, "*", "e", event)
    return len(events) / (time.perf_counter() - begun)


def drain(client: redis.Redis) -> float:
    """Read, decode and acknowledge all that `fill` wrote; events a second."""
    client.xgroup_create(STREAM, GROUP, "0")
    handled = 0
    begun = time.perf_counter()
    while True:
        reply: Any = client.xreadgroup(GROUP, "c", {STREAM: ">"}, count=COUNT)
        if not reply:
            return handled / (time.perf_counter() - begun)
        ((_, entries),) = reply
        for _, fields in entries:
            orjson.loads(fields[b"e"])
        pipe = client.pipeline(transaction=False)
        pipe.xack(STREAM, GROUP, *(id for id, _ in entries))
        pipe.execute()
        handled += len(entries)
