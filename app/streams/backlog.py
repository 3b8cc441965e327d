"""How far a group is behind, without guessing.

Redis's own `lag` may be missing or wrong after deletions; where it is, the
number is None, which a page shows as unknown. The server looks (`backlog.lua`):
an idle worker asks for all its subscriptions every few seconds, and reading
the server's long descriptions here would be most of what it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

from app.streams.client import run_script
from app.streams.topics import info_mapping, position_order

STREAMS = 100
"""How many streams are looked at in one step, during which the server does nothing else."""


class Backlog(NamedTuple):
    """Unread and open deliveries of a group over its streams; `oldest` is the oldest unread one's time (ms)."""

    unread: int | None
    open: int
    oldest: int | None


class _Place(NamedTuple):
    """The same in one stream; `first` is the position of the first unread entry."""

    group: str
    unread: int | None
    open: int
    first: bytes


def backlog(client: redis.Redis, group: str, streams: Sequence[str]) -> Backlog:
    """The backlog of one group."""
    return backlogs(client, {group: streams})[group]


def backlogs(client: redis.Redis, wanted: Mapping[str, Sequence[str]]) -> dict[str, Backlog]:
    """The backlogs of several groups, from one round trip for every hundred streams."""
    places: dict[str, list[_Place]] = {group: [] for group in wanted}
    for place in _places(client, wanted):
        places[place.group].append(place)
    return {
        group: Backlog(
            _sum([place.unread for place in found]),
            sum(place.open for place in found),
            min((_milliseconds(place.first) for place in found if place.first), default=None),
        )
        for group, found in places.items()
    }


def has_settled(client: redis.Redis, group: str, stream: str, position: str) -> bool:
    """Whether a group has settled all of a stream up to a position, that included."""
    try:
        found = client.execute_command("XINFO", "GROUPS", stream)
    except ResponseError:
        return False  # the stream is not there (any more)
    for row in map(info_mapping, found):
        if row["name"].decode() == group:
            return _first_needed(client, stream, row) > position_order(position)
    return False


def _first_needed(client: redis.Redis, stream: str, group: dict[str, Any]) -> tuple[int, int]:
    """The first position that a group still needs."""
    if group["pending"]:
        summary = client.execute_command("XPENDING", stream, group["name"])
        oldest = summary["min"] if isinstance(summary, dict) else summary[1]
        if oldest:
            return position_order(oldest.decode())
    milliseconds, number = position_order(group["last-delivered-id"].decode())
    return milliseconds, number + 1


def _places(client: redis.Redis, wanted: Mapping[str, Sequence[str]]) -> Iterator[_Place]:
    readers: dict[str, list[str]] = {}
    for group, streams in wanted.items():
        for stream in streams:
            readers.setdefault(stream, []).append(group)
    every = list(readers)
    for start in range(0, len(every), STREAMS):
        some = every[start : start + STREAMS]
        arguments: list[Any] = []
        for stream in some:
            arguments += [len(readers[stream]), *readers[stream]]
        reply = iter(run_script(client, "backlog", some, arguments))
        for stream in some:
            for group in readers[stream]:
                unread, opened, first = next(reply), next(reply), next(reply)
                yield _Place(group, None if unread < 0 else unread, opened, first)


def _sum(numbers: Sequence[int | None]) -> int | None:
    """The sum; None as soon as one of them is unknown."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _milliseconds(position: bytes) -> int:
    return position_order(position.decode())[0]
