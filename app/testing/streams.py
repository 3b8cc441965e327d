"""What Redis holds, in memory: streams with their groups, and what comes back later.

Each method is one atomic step, the twin of a command or of a script under
`app/streams/scripts`, whose header says what it guarantees. One thread only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.clock import Clock
from app.streams import keys
from app.streams.control import Decision
from app.testing.clock import FakeClock

Position = tuple[int, int]
Fields = list[bytes]
BEGIN: Position = (0, 0)


@dataclass
class Group:
    """A consumer group on one stream: how far it read, and who holds what."""

    last: Position = BEGIN
    pending: dict[bytes, str] = field(default_factory=dict)


@dataclass
class Stream:
    """Entries in order; `positions` are their ids as numbers."""

    positions: list[Position] = field(default_factory=list)
    entries: dict[bytes, Fields] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    end: Position = BEGIN


class MemoryStreams:
    """Everything that a Redis server holds for Penstock.

    `journal` has every entry of a topic in the order of writing. `budget` is how
    many more entries may be added; None for no limit. It ends a pipeline that
    feeds itself.
    """

    def __init__(self, clock: Clock | None = None):
        self.clock = clock or FakeClock()
        self.streams: dict[str, Stream] = {}
        self.topics: dict[str, int] = {}
        self.seen: dict[bytes, float] = {}
        self.delayed: dict[str, tuple[int, str, Fields]] = {}
        self.decisions: dict[str, Decision] = {}
        self.version = 0
        self.owners: dict[tuple[str, int | str], str] = {}
        self.buckets: dict[str, tuple[float, float]] = {}
        self.blocked: defaultdict[str, set[str]] = defaultdict(set)
        self.held: defaultdict[str, deque[Fields]] = defaultdict(deque)
        self.hands: dict[str, tuple[str, bytes]] = {}
        self.journal: list[tuple[str, bytes]] = []
        self.budget: int | None = None

    @property
    def milliseconds(self) -> int:
        return int(self.clock.now() * 1000)

    # -- a stream

    def add(self, stream: str, fields: Sequence[bytes | str | int]) -> bytes:
        """Append an entry; its id, which is greater than any before."""
        if self.budget is not None:
            self.budget -= 1
            if self.budget < 0:
                raise RuntimeError(
                    f"the pipeline does not come to rest: {stream} grows without end."
                    " Does a handler emit what leads back to itself? run(limit=…) allows more."
                )
        kept = self.streams.setdefault(stream, Stream())
        now = self.milliseconds
        kept.end = (now, 0) if now > kept.end[0] else (kept.end[0], kept.end[1] + 1)
        id = text(kept.end)
        kept.positions.append(kept.end)
        kept.entries[id] = [as_bytes(value) for value in fields]
        if not keys.is_again(stream):
            self.journal.append((stream, id))
        return id

    def delete(self, stream: str, id: bytes) -> None:
        """Take an entry out of its stream."""
        kept = self.streams[stream]
        if kept.entries.pop(id, None) is not None:
            del kept.positions[bisect_left(kept.positions, position(id))]

    def entry(self, stream: str, id: bytes) -> Fields | None:
        return self.streams[stream].entries.get(id) if stream in self.streams else None

    def after(
        self, stream: str, last: Position, count: int | None = None
    ) -> list[tuple[bytes, Fields]]:
        """The entries behind a position, in order; at most `count` of them."""
        kept = self.streams.get(stream)
        if kept is None:
            return []
        begin = bisect_right(kept.positions, last)
        wanted = kept.positions[begin : None if count is None else begin + count]
        return [(id, kept.entries[id]) for id in map(text, wanted)]

    def end(self, stream: str) -> Position:
        """The position of the last entry that was ever added."""
        kept = self.streams.get(stream)
        return kept.end if kept else BEGIN

    # -- a group

    def create_group(self, stream: str, group: str, *, at_end: bool = False) -> Group:
        """The group, made where it is missing: at the stream's beginning, or at its end."""
        kept = self.streams.setdefault(stream, Stream())
        if group not in kept.groups:
            kept.groups[group] = Group(kept.end if at_end else BEGIN)
        return kept.groups[group]

    def read_group(
        self, stream: str, group: str, consumer: str, count: int
    ) -> list[tuple[bytes, Fields]]:
        """Up to `count` entries that the group has not read: the consumer's from now on."""
        known = self.create_group(stream, group)
        found = self.after(stream, known.last, count)
        for id, _ in found:
            known.pending[id] = consumer
            known.last = position(id)
        return found

    def unread(self, stream: str, group: str) -> list[tuple[bytes, Fields]]:
        """What the group was not given yet."""
        return self.after(stream, self.create_group(stream, group).last)

    def held_by(self, stream: str, group: str, consumer: str) -> list[bytes]:
        """The ids that a consumer has not acknowledged, in order."""
        kept = self.streams.get(stream)
        if kept is None or group not in kept.groups:
            return []
        return [id for id, owner in kept.groups[group].pending.items() if owner == consumer]

    def held_by_others(self, stream: str, group: str, consumer: str) -> bool:
        """Whether anybody but this consumer has entries that are not acknowledged."""
        kept = self.streams.get(stream)
        known = kept.groups.get(group) if kept else None
        return known is not None and any(one != consumer for one in known.pending.values())

    def acknowledge(self, stream: str, group: str, id: bytes) -> None:
        """Settle an entry; one of an `again` stream is gone with it."""
        self.streams[stream].groups[group].pending.pop(id, None)
        if keys.is_again(stream):
            self.delete(stream, id)

    def move_group(self, stream: str, group: str, to: Position, generation: int) -> None:
        """The twin of `rewind.lua`: reading goes on behind `to`, what was in hand from before comes back."""
        known = self.create_group(stream, group)
        again = keys.again_stream(group, keys.partition_of(stream))
        for id in [id for id in known.pending if position(id) <= to]:
            fields = self.entry(stream, id)
            if fields is not None:
                self.add(again, [*fields, b"g", generation, b"o", f"{stream} {id.decode()}"])
        if known.pending:
            self.add(keys.BELL, ("s", group))
        known.pending.clear()
        known.last = to

    # -- what comes back later

    def delay(self, due: int, member: str, stream: str, fields: Sequence[Any]) -> None:
        """Put an entry into a stream when it is `due` (ms since 1970)."""
        self.delayed[member] = (due, stream, [as_bytes(value) for value in fields])

    def release_due(self) -> int:
        """Put what is due back into its stream; how many that were."""
        now = self.milliseconds
        due = sorted((told[0], member) for member, told in self.delayed.items() if told[0] <= now)
        for _, member in due:
            _, stream, fields = self.delayed.pop(member)
            self.add(stream, fields)
            if keys.is_again(stream):
                self.add(keys.BELL, ("s", keys.subscription_of(stream)))
        return len(due)

    def next_due(self) -> float | None:
        """When the next one is due, in seconds since 1970; None where nothing is delayed."""
        return min((due for due, _, _ in self.delayed.values()), default=0) / 1000 or None

    # -- topics and decisions

    def make_topic(self, topic: str, partitions: int) -> int:
        """How many partitions a topic has; it is made, or given more, where it has fewer."""
        if self.topics.get(topic, 0) < partitions:
            self.topics[topic] = partitions
            self.version += 1
        return self.topics[topic]

    def decide(self, subscription: str, decision: Decision) -> None:
        """Put an operator's decision in force."""
        self.decisions[subscription] = decision
        self.version += 1


def position(id: bytes) -> Position:
    milliseconds, _, number = id.partition(b"-")
    return int(milliseconds), int(number)


def text(at: Position) -> bytes:
    return b"%d-%d" % at


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
