"""Following topics as a spectator: no group, no effect on anyone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import redis

from app.events.event import Event
from app.events.topics import SYSTEM_TOPIC
from app.streams import keys
from app.streams.topics import Topics, position_order


def follow(
    client: redis.Redis,
    topics: Topics,
    types: Sequence[str] | None = None,
    since: str = "$",
    positions: dict[str, bytes] | None = None,
    heartbeat: float = 1.0,
) -> Iterator[Event | None]:
    """Events as they are published, oldest first; None about every `heartbeat` seconds without one.

    `since` is `$` (from now), `0` (from the earliest kept) or a position or time in ms to go on after.
    Topics that appear later are followed too.

    `positions` holds, at each yield, how far each stream was read; who hands them in again goes on
    exactly there. Only streams of topics are read, whatever names are in it.
    """
    positions = {} if positions is None else positions
    resumed = dict(positions)
    positions.clear()
    first = not resumed
    while True:
        for name, count in topics.all().items():
            for partition in range(count if name != SYSTEM_TOPIC else 0):
                stream = keys.topic_stream(name, partition)
                if stream not in positions:
                    start = resumed.get(stream)
                    positions[stream] = start or _start(client, stream, since if first else "0")
        first = False
        if not positions:
            client.xread(
                {keys.BELL: "$"}, block=int(heartbeat * 1000)
            )  # there is no topic yet: just wait
            yield None
            continue
        found: Any = client.xread(dict(positions), count=100, block=int(heartbeat * 1000))
        spoke = False
        for name, entries in found:
            for id, fields in entries:
                positions[name.decode()] = id
                try:
                    event = Event.from_bytes(fields[b"e"])
                except msgspec.MsgspecError:
                    continue  # written by someone else; the archive reports it
                if not types or event.type in types:
                    spoke = True
                    yield event
        if not spoke:
            yield None  # so that who filters much still notices that its visitor has gone


def newest(
    client: redis.Redis, topics: Topics, types: Sequence[str] | None, limit: int
) -> tuple[list[Event], int]:
    """The newest events that Redis holds, newest first, and the moment (ms) of this.

    Of a few from each stream, `limit` in all. Who follows since then misses none, and may see those
    of its millisecond once more.
    """
    streams = [
        keys.topic_stream(name, partition)
        for name, count in topics.all().items()
        for partition in range(count if name != SYSTEM_TOPIC else 0)
    ]
    with client.pipeline(transaction=True) as pipe:
        pipe.time()
        for stream in streams:
            pipe.xrevrange(stream, count=max(20, limit // len(streams)))
        (seconds, micros), *found = pipe.execute()
    entries = [entry for stream in found for entry in stream]
    entries.sort(key=lambda entry: position_order(entry[0].decode()), reverse=True)
    events = []
    for _, fields in entries:
        with suppress(msgspec.MsgspecError):  # written by someone else; the archive reports it
            event = Event.from_bytes(fields[b"e"])
            if not types or event.type in types:
                events.append(event)
    return events[:limit], seconds * 1000 + micros // 1000


def _start(client: redis.Redis, stream: str, since: str) -> bytes:
    if since != "$":
        return since.encode()
    newest: Any = client.xrevrange(stream, count=1)
    return newest[0][0] if newest else b"0"
