"""Rewinding: a subscription goes back (or on) to another place in its topics.

Leases that are open are fenced, in the step that moves the position: what they
finish after it is dropped, and what they had in hand from before the new position
comes back too. What is handled again has a higher generation, so
its outputs are new events and not taken for duplicates. Events that Redis has
dropped already come from the archive, through the subscription's `again`
streams, which are read first: by the same path, and in the same order. The
gate is shut meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from app import origin
from app.errors import NotFound, Refused
from app.events.arrival import Arrival
from app.streams import control, keys
from app.streams.broker import create_groups
from app.streams.client import run_script
from app.streams.entry import Entry
from app.streams.topics import position_order
from app.subscriptions.streams import row_streams

LAST = 2**64 - 1
_POSITION = re.compile(r"(\d{10,15})-\d+")
_NUMBER = re.compile(r"\d{9,10}(\.\d+)?")


def rewind(platform: Any, name: str, row: Mapping[str, Any], to: str) -> int:
    """Move the subscription `name` (with its row `row`); its new generation.

    `to` is `earliest`, `now`, a time (RFC 3339 or seconds since 1970), a position, or an event's id.
    Raises `NotFound` where there is no such event, `Refused` where `to` is none of these.
    """
    target = milliseconds(platform, to)
    streams = [
        one for one in row_streams(row, platform.stream_topics.all()) if not keys.is_again(one)
    ]
    create_groups(platform.wire(), name, streams)
    was = control.decision(platform.redis, name)
    # Above those of replays too, which are milliseconds: the newest generation is what counts.
    generation = max(was.generation + 1, int(platform.clock.now() * 1000))
    skipped = to == "now"
    decision = msgspec.structs.replace(was, generation=generation, rewound=target, skipped=skipped)
    position = f"{target - 1}-{LAST}" if target else "0"
    pairs = [(one, keys.again_stream(name, keys.partition_of(one))) for one in streams]
    platform.once.check(origin.current().claim)
    written = control.word(name, msgspec.structs.replace(decision, paused=True))
    run_script(
        platform.redis,
        "rewind",
        (keys.CONTROL, keys.BELL, *chain.from_iterable(pairs)),
        (name, position, was.generation, "skip" if skipped else "", keys.EVERYBODY, *written),
    )
    for stream in streams:
        _send_archived(platform, name, stream, target, decision.generation)
    control.decide(platform.redis, name, decision)
    if skipped:
        platform.projection.cancel_waiting(name, platform.clock.now())
    return decision.generation


def milliseconds(platform: Any, to: str) -> int:
    """The time (ms since 1970) from which events are wanted."""
    if to == "earliest":
        return 0
    if to == "now":
        seconds, micros = platform.redis.time()
        return seconds * 1000 + micros // 1000 + 1
    if found := _POSITION.fullmatch(to):
        return int(found[1])
    if _NUMBER.fullmatch(to):
        return int(float(to) * 1000)
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        found_event = platform.archive.get(to)
        if found_event is None:
            raise NotFound(
                f"There is no event {to!r} in the archive; give earliest, now, a time such as"
                " 2026-01-31T12:00:00Z, or the id of an event."
            ) from None
        return position_order(found_event["position"])[0]
    if moment.tzinfo is None:
        raise Refused(f"{to!r} has no timezone: add Z or an offset, as in 2026-01-31T12:00:00Z")
    return int(moment.timestamp() * 1000)


def _send_archived(platform: Any, name: str, stream: str, target: int, generation: int) -> None:
    """Put the archived events of a partition before the first one kept into the `again` stream."""
    first = platform.redis.xrange(stream, count=1)
    end = (
        position_order(first[0][0].decode())
        if first
        else (platform.redis.time()[0] * 1000 + 1000, 0)
    )
    if end[0] <= target:
        return
    topic, partition = keys.topic_and_partition(stream)
    again = keys.again_stream(name, partition)
    chunk: list[Sequence[Any]] = []
    for arrival in platform.archive.iterate({"topic": topic, "partition": partition}):
        if target <= position_order(arrival.position)[0] and position_order(arrival.position) < end:
            chunk.append(_fields(stream, arrival, generation))
        if len(chunk) >= 500:
            _add(platform, again, name, chunk)
            chunk = []
    _add(platform, again, name, chunk)


def _fields(stream: str, arrival: Arrival, generation: int) -> Sequence[Any]:
    entry = Entry(stream, arrival.position.encode(), arrival.event.to_bytes())
    return entry.fields(generation=generation)


def _add(platform: Any, again: str, name: str, chunk: list[Sequence[Any]]) -> None:
    if not chunk:
        return
    pipe = platform.redis.pipeline(transaction=True)
    for fields in chunk:
        pipe.execute_command("XADD", again, "*", *fields)
    pipe.execute_command("XADD", keys.BELL, "MAXLEN", "~", 1000, "*", "s", name)
    pipe.execute()
