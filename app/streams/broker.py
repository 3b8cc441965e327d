"""What a lease asks of Redis: read, settle, release, own.

`Broker` is the port between the life of a delivery and the streams under it;
`RedisBroker` is the real one, `app.testing` has its twin in memory, and one
contract suite holds for both. A broker belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from redis.exceptions import ResponseError

from app.streams import keys
from app.streams.client import Wire
from app.streams.control import gone_field
from app.streams.entry import Entry, parse_entry

Step = list[Any]
"""One step of a settle beside acknowledging: its kind and arguments, as `scripts/settle.lua` lists them."""

AT_ONCE = 11_000
"""Entries that one `release` moves: more than a lease ever holds, so that their order is kept."""
RECORDS = keys.topic_stream("penstock", 0)


class Read(NamedTuple):
    """What a read brought: the entries, and the version of the operators' decisions after it."""

    control: int
    entries: list[Entry]
    missing: list[tuple[str, bytes]]  # stream and id of entries that were deleted unhandled


class Released(NamedTuple):
    moved: int
    missing: list[bytes]


class Broker(Protocol):
    """The atomic steps of a delivery's life."""

    def read(self, group: str, consumer: str, streams: Sequence[str], count: int) -> Read:
        """Take up to `count` new entries of each stream; they are the consumer's until settled."""

    def settle(
        self,
        group: str,
        consumer: str,
        stream: str,
        ids: Sequence[bytes],
        steps: Sequence[Step],
        record: bytes,
    ) -> list[bytes]:
        """Acknowledge `ids` and do the steps in one go; or nothing, and the ids that are not the consumer's."""

    def release(
        self,
        group: str,
        consumer: str,
        stream: str,
        generation: int,
        *,
        suspect: bool = False,
        in_hand: bytes = b"",
        counts: str = "l",
        only: tuple[bytes, bytes] = (b"-", b"+"),
    ) -> Released:
        """Give back what the consumer holds of a stream to the subscription's `again` stream.

        `only`: from this id to that one. `suspect`, `in_hand` and `counts` are told in `scripts/release.lua`.
        """

    def own(self, group: str, consumer: str, seat: int | str, streams: Sequence[str]) -> bool:
        """Take a seat, if nobody else has it: a partition of an ordered subscription (with its
        streams), or one of the places of a subscription whose concurrency is limited.
        """

    def disown(self, group: str, consumer: str, seat: int | str) -> None:
        """Give the seat up."""

    def disown_all(self, consumer: str) -> None:
        """Give up every seat that the consumer has."""

    def allow(self, group: str, rate: float, wanted: int) -> int:
        """How many events the subscription's global rate allows now; below 0, gives some back."""

    def blocked(self, group: str, partition: int) -> set[str]:
        """The keys that wait behind a failed delivery."""

    def hold_up(self, consumer: str, stream: str, id: bytes) -> None:
        """Say which suspect this consumer is about to handle, in case it dies of it."""

    def entry(self, stream: str, id: bytes) -> Entry | None:
        """An entry as it lies in its stream; None where it is gone."""


class RedisBroker:
    """The broker on a Redis server, over one connection."""

    def __init__(self, wire: Wire):
        self.wire = wire

    def read(self, group: str, consumer: str, streams: Sequence[str], count: int) -> Read:
        command = (
            "XREADGROUP",
            "GROUP",
            group,
            consumer,
            "COUNT",
            count,
            "STREAMS",
            *streams,
            *(">" for _ in streams),
        )
        # The version comes after the entries, so that it is never older than they are. No
        # transaction: a server whose memory is full refuses those, and reading is what makes room.
        try:
            reply, version = self.wire.many([command, ("HGET", keys.CONTROL, "version")])
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            if self.wire("HEXISTS", keys.CONTROL, gone_field(group)):
                return Read(int(self.wire("HGET", keys.CONTROL, "version") or 0), [], [])
            create_groups(self.wire, group, streams)
            return self.read(group, consumer, streams, count)
        entries, missing = [], []
        for stream, raw_entries in reply or ():
            name = stream.decode()
            for id, fields in raw_entries:
                if fields and len(fields) == 2:  # of a topic, as nearly all are
                    entries.append(Entry(name, id, fields[1]))
                    continue
                entry = parse_entry(name, id, fields)
                if entry is None:
                    missing.append((name, id))
                else:
                    entries.append(entry)
        return Read(int(version or 0), entries, missing)

    def settle(
        self,
        group: str,
        consumer: str,
        stream: str,
        ids: Sequence[bytes],
        steps: Sequence[Step],
        record: bytes,
    ) -> list[bytes]:
        again = "1" if keys.is_again(stream) else "0"
        told = [argument for step in steps for argument in (len(step), *step)]
        held = (b" ".join(ids), ids[0], ids[-1], len(ids))
        return self.wire.script(
            "settle", (stream, RECORDS), (group, consumer, again, record, *held, *told)
        )

    def release(
        self,
        group: str,
        consumer: str,
        stream: str,
        generation: int,
        *,
        suspect: bool = False,
        in_hand: bytes = b"",
        counts: str = "l",
        only: tuple[bytes, bytes] = (b"-", b"+"),
    ) -> Released:
        again = keys.again_stream(group, keys.partition_of(stream))
        moved, missing, left = 0, [], 1
        while left:
            some, gone, left = self.wire.script(
                "release",
                (stream, again, keys.BELL, keys.OWNERS),
                (
                    group,
                    consumer,
                    generation,
                    group,
                    AT_ONCE,
                    "suspect" if suspect else "",
                    in_hand,
                    counts,
                    *only,
                ),
            )
            moved += some
            missing += gone
        return Released(moved, missing)

    def own(self, group: str, consumer: str, seat: int | str, streams: Sequence[str]) -> bool:
        return bool(
            self.wire.script("own", (keys.OWNERS, *streams), (f"{group}:{seat}", consumer, group))
        )

    def disown(self, group: str, consumer: str, seat: int | str) -> None:
        self.wire.script("disown", (keys.OWNERS,), (consumer, f"{group}:{seat}"))

    def allow(self, group: str, rate: float, wanted: int) -> int:
        return int(self.wire.script("allow", (keys.rate(group),), (rate, wanted)))

    def disown_all(self, consumer: str) -> None:
        owned = self.wire("HGETALL", keys.OWNERS)
        fields = [
            field
            for field, owner in zip(owned[::2], owned[1::2], strict=True)
            if owner == consumer.encode()
        ]
        if fields:
            self.wire.script("disown", (keys.OWNERS,), (consumer, *fields))

    def blocked(self, group: str, partition: int) -> set[str]:
        return {key.decode() for key in self.wire("HKEYS", keys.blocked(group, partition))}

    def hold_up(self, consumer: str, stream: str, id: bytes) -> None:
        self.wire.script("hand", (keys.hand(consumer),), (f"{stream} {id.decode()}", 86_400))

    def entry(self, stream: str, id: bytes) -> Entry | None:
        found = self.wire("XRANGE", stream, id, id)
        return parse_entry(stream, *found[0]) if found else None


def create_groups(wire: Wire, group: str, streams: Sequence[str], start: str = "0") -> None:
    """Create the group on each stream that lacks it, from the earliest event kept unless `start` says otherwise."""
    for stream in streams:
        begin = "0" if keys.is_again(stream) else start
        wire.script("group", (stream,), (group, begin))
