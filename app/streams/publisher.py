"""Publishing: checked, stamped, and accepted once.

What `publish` accepts is in its topic when it returns. A batch is refused as a
whole, and every bad event in it is named. Publishing the same (source, id)
again within the window is counted as a duplicate and changes nothing, which
also makes it safe to publish again after a lost reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import redis

from app import origin
from app.clock import Clock, instant
from app.errors import EventTooLarge, InvalidEvents
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.topics import RESERVED, partition_of
from app.streams import keys
from app.streams.client import Call, refusals_explained, run_script, run_scripts
from app.streams.durable import check as check_durable
from app.streams.durable import sync
from app.streams.topics import Topics

PART = 100
"""Events of one script. It is sent while the next one is packed, and the server does nothing else meanwhile."""


_RESERVED = {
    "field": "type",
    "problem": "is sent by POST /api/v1/commands/NAME or platform.commands.send, and not published",
}


class Prepared(NamedTuple):
    """An event ready to be written: its stream and its stored form."""

    event: Event
    stream: str
    stored: bytes


class Preparer:
    """Checks and stamps events, and decides where they go. Writes nothing."""

    def __init__(self, catalogue: Catalogue, topics: Topics, clock: Clock, max_bytes: int):
        self.catalogue = catalogue
        self.topics = topics
        self.clock = clock
        self.max_bytes = max_bytes

    def prepare(self, events: Sequence[Event]) -> list[Prepared]:
        """Raises `InvalidEvents` or `EventTooLarge` before anything is written."""
        recorded = instant(self.clock.now())
        checked, problems = [], []
        for index, event in enumerate(events):
            event, found = self.catalogue.check(event)
            for problem in found:
                problems.append({"index": index, "id": event.id, "type": event.type, **problem})
            checked.append(event)
        if problems:
            raise InvalidEvents(problems)
        places: dict[str, tuple[str, int]] = {}
        for type in {event.type for event in checked}:
            topic = self.catalogue.topic_of(type)
            places[type] = topic, self.topics.partitions(topic)
        return [
            self._stamp(index, event, recorded, *places[event.type])
            for index, event in enumerate(checked)
        ]

    def _stamp(
        self, index: int, event: Event, recorded: datetime, topic: str, partitions: int
    ) -> Prepared:
        event = event.but(recordedtime=recorded, correlationid=event.correlationid or event.id)
        try:
            stored = event.to_bytes()
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            named = {"index": index, "id": event.id, "type": event.type, "field": "data"}
            raise InvalidEvents([{**named, "problem": str(error)}]) from error
        if len(stored) > self.max_bytes:
            raise EventTooLarge(
                f"{event.type} {event.id} has {len(stored):,} bytes; at most {self.max_bytes:,} are allowed."
                " Put the data into the blob store and send its reference."
            )
        partition = partition_of(event.partitionkey, partitions, event.id)
        return Prepared(event, keys.topic_stream(topic, partition), stored)


class Publisher:
    """Publishes events to their topics. Safe for use by several threads."""

    def __init__(self, client: redis.Redis, preparer: Preparer, window: int):
        self.client = client
        self.preparer = preparer
        self.window = window

    def publish(
        self,
        events: Sequence[Event],
        *,
        at: float | None = None,
        durable: bool = False,
        ours: bool = False,
    ) -> list[bool]:
        """Publish events; True for each that was new. `at`: not before this time (s since 1970).

        `durable`: on the server's disk when this returns; `Refused` where it can't promise that.
        `ours`: types that producers may not publish, too.

        Raises `InvalidEvents`, `EventTooLarge`, or `Unavailable` (then repeat it: nothing doubles).
        """
        with refusals_explained():
            if not ours:
                self._refuse_from_outside(events)
            prepared = self.preparer.prepare(events)
            if durable:
                self._check_durable()
            new = self._write(prepared, 0 if at is None else int(at * 1000))
            if durable:
                self._sync()
            return new

    def check(self, events: Sequence[Event]) -> None:
        """Raises what `publish` raises for events that can't be published; writes nothing."""
        with refusals_explained():
            self._refuse_from_outside(events)
            self.preparer.prepare(events)

    def reached(self) -> int | None:
        """How far of the event store this server was given; None where it never was, or has forgotten all."""
        with refusals_explained():
            found: Any = self.client.get(keys.RELAYED)
        return None if found is None else int(found)

    def note_reached(self, position: int) -> None:
        """Written behind the events themselves: a server that lost those has lost this as well."""
        with refusals_explained():
            self.client.set(keys.RELAYED, position)

    def _refuse_from_outside(self, events: Sequence[Event]) -> None:
        """What a producer may not publish: a command, and data of a version that no release has."""
        problems = []
        for index, event in enumerate(events):
            wrong = (
                _RESERVED if event.type in RESERVED else self.preparer.catalogue.unreleased(event)
            )
            if wrong:
                problems.append({"index": index, "id": event.id, "type": event.type, **wrong})
        if problems:
            raise InvalidEvents(problems)

    def _check_durable(self) -> None:
        check_durable(self.client)

    def _sync(self) -> None:
        sync(self.client)

    def _write(self, prepared: Sequence[Prepared], due: int) -> list[bool]:
        if len(prepared) <= PART:
            replies = run_script(self.client, "publish", *self._call(prepared, due))
        else:
            replies = []
            for some in run_scripts(self.client, "publish", lambda: self._calls(prepared, due)):
                replies += some
        self._tell([one.stream for one in prepared], replies)
        return [reply != 0 for reply in replies]

    def _calls(self, prepared: Sequence[Prepared], due: int) -> Iterator[Call]:
        before = b""
        for start in range(0, len(prepared), PART):
            part = prepared[start : start + PART]
            yield self._call(part, due, before)
            before = seen_digest(part[-1].event.source, part[-1].event.id)

    def _call(self, prepared: Sequence[Prepared], due: int, before: bytes = b"") -> Call:
        """The keys and arguments of the script for these events, that follow one already written."""
        streams: dict[str, int] = {}
        arguments: list[bytes | str | int] = [self.window, keys.SEEN, before]
        for event, stream, stored in prepared:
            index = streams.setdefault(stream, len(streams) + 1)
            arguments += (index, seen_digest(event.source, event.id), stored, due)
        return list(streams), arguments

    def _tell(self, streams: Sequence[str], replies: Sequence[Any]) -> None:
        """Let those who gave the order know how far it went in each partition.

        A duplicate is somewhere in its stream: at the stream's end, at the latest.
        """
        here = origin.asked()
        if here is None:
            return
        last: dict[str, bytes | None] = {}
        for stream, reply in zip(streams, replies, strict=True):
            if isinstance(reply, bytes):
                last[stream] = reply
            elif reply == 0:
                last.setdefault(stream, None)
        for stream, position in last.items():
            topic, partition = keys.topic_and_partition(stream)
            if position is None:
                found: Any = self.client.xrevrange(stream, count=1)
                position = found[0][0] if found else None
            if position is not None:
                here.places[f"{topic}:{partition}"] = position.decode()


def seen_digest(source: str, id: str) -> bytes:
    """What stands for a (source, id) in the mark that it was seen: 12 bytes."""
    return hashlib.blake2b(f"{source}\0{id}".encode(), digest_size=12).digest()
