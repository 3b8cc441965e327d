"""The reference: what one process does with bare commands and nothing else.

XREADGROUP in batches, `orjson.loads`, and pipelined XACK; XADD in a pipeline,
or one by one. No ownership check, no retries, no records, no archive.
"""

from __future__ import annotations

import time

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
    client.execute_command("XGROUP", "CREATE", STREAM, GROUP, "0")
    handled = 0
    begun = time.perf_counter()
    while True:
        pipe = client.pipeline(transaction=False)
        reply = client.execute_command(
            "XREADGROUP", "GROUP", GROUP, "c", "COUNT", COUNT, "STREAMS", STREAM, ">"
        )
        if not reply:
            return handled / (time.perf_counter() - begun)
        entries = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
        for _, fields in entries:
            orjson.loads(fields[b"e"] if isinstance(fields, dict) else fields[1])
        pipe.execute_command("XACK", STREAM, GROUP, *(id for id, _ in entries))
        pipe.execute()
        handled += len(entries)
