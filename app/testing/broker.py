"""The broker in memory: the twin of `RedisBroker`, step by step.

What each step guarantees is written in `app/streams/scripts`, and held to by
the contract suite.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.streams import keys
from app.streams.broker import RECORDS, Read, Released, Step
from app.streams.entry import Entry, parse_entry
from app.testing.streams import MemoryStreams, as_bytes, position


class MemoryBroker:
    """The broker's port on streams in memory."""

    def __init__(self, streams: MemoryStreams):
        self.streams = streams

    def read(self, group: str, consumer: str, streams: Sequence[str], count: int) -> Read:
        version = self.streams.version
        entries = []
        for stream in streams:
            for id, fields in self.streams.read_group(stream, group, consumer, count):
                entry = parse_entry(stream, id, fields)
                assert entry is not None, "an entry that is in its stream has fields"
                entries.append(entry)
        return Read(version, entries, [])

    def settle(
        self,
        group: str,
        consumer: str,
        stream: str,
        ids: Sequence[bytes],
        steps: Sequence[Step],
        record: bytes,
    ) -> list[bytes]:
        owned = set(self.streams.held_by(stream, group, consumer))
        foreign = [id for id in ids if id not in owned]
        if foreign:
            return foreign
        for step in steps:
            self._do(step)
        if record:
            self.streams.add(RECORDS, ("e", record))
        for id in ids:
            self.streams.acknowledge(stream, group, id)
        return []

    def _do(self, step: Step) -> None:
        match step:
            case ["add", stream, *fields]:
                self.streams.add(stream, fields)
            case ["delay", milliseconds, member, stream, *fields]:
                due = self.streams.milliseconds + int(milliseconds)
                self.streams.delay(due, member, stream, fields)
            case ["hold", waiting, *fields]:
                self.streams.held[waiting].append([as_bytes(value) for value in fields])
            case ["block", blocked, key]:
                self.streams.blocked[blocked].add(key)
            case ["next", blocked, key, waiting, stream]:
                if self.streams.held[waiting]:
                    self.streams.add(stream, self.streams.held[waiting].popleft())
                else:
                    self.streams.blocked[blocked].discard(key)
            case _:
                raise AssertionError(f"unknown step {step!r}")

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
        moved, missing = 0, []
        unread = self._unread_of_ordered(group, consumer, stream)
        for id in self.streams.held_by(stream, group, consumer):
            if not _within(id, only):
                continue
            entry = parse_entry(stream, id, self.streams.entry(stream, id))
            if entry is None:
                missing.append(id)
            else:
                self._send_again(group, entry, generation, suspect, id == in_hand, counts)
                moved += 1
            self.streams.acknowledge(stream, group, id)
        if moved:
            for id, fields in unread:
                self.streams.add(stream, fields)
                self.streams.delete(stream, id)
            self.streams.add(keys.BELL, ("s", group))
        return Released(moved, missing)

    def _unread_of_ordered(
        self, group: str, consumer: str, stream: str
    ) -> list[tuple[bytes, list[bytes]]]:
        """What must stay behind the entries that the only lease of a partition gives back."""
        owner = self.streams.owners.get((group, keys.partition_of(stream)))
        return (
            self.streams.unread(stream, group)
            if keys.is_again(stream) and owner == consumer
            else []
        )

    def _send_again(
        self, group: str, entry: Entry, generation: int, suspect: bool, died: bool, counts: str
    ) -> None:
        again = keys.again_stream(group, keys.partition_of(entry.stream))
        fields = entry.fields(
            generation=generation if entry.generation is None else entry.generation,
            suspect=entry.suspect or suspect or died,
            losses=entry.losses + (died and counts == "l"),
            worker_losses=entry.worker_losses + (died and counts == "w"),
        )
        self.streams.add(again, fields)

    def entry(self, stream: str, id: bytes) -> Entry | None:
        return parse_entry(stream, id, self.streams.entry(stream, id))

    def own(self, group: str, consumer: str, seat: int | str, streams: Sequence[str]) -> bool:
        place = (group, seat)
        if self.streams.owners.get(place, consumer) != consumer:
            return False
        if any(self.streams.held_by_others(stream, group, consumer) for stream in streams):
            return False
        self.streams.owners[place] = consumer
        return True

    def disown(self, group: str, consumer: str, seat: int | str) -> None:
        if self.streams.owners.get((group, seat)) == consumer:
            del self.streams.owners[group, seat]

    def disown_all(self, consumer: str) -> None:
        for (group, seat), owner in list(self.streams.owners.items()):
            if owner == consumer:
                self.disown(group, consumer, seat)

    def allow(self, group: str, rate: float, wanted: int) -> int:
        now = self.streams.milliseconds / 1000
        tokens, at = self.streams.buckets.get(group, (max(rate, 1.0), now))
        tokens = min(max(rate, 1.0), tokens + (now - at) * rate)
        allowed = wanted if wanted < 0 else max(0, min(wanted, int(tokens)))
        self.streams.buckets[group] = (min(max(rate, 1.0), tokens - allowed), now)
        return allowed

    def blocked(self, group: str, partition: int) -> set[str]:
        return set(self.streams.blocked[keys.blocked(group, partition)])

    def hold_up(self, consumer: str, stream: str, id: bytes) -> None:
        self.streams.hands[consumer] = (stream, id)


def _within(id: bytes, only: tuple[bytes, bytes]) -> bool:
    first, last = only
    return (first == b"-" or position(first) <= position(id)) and (
        last == b"+" or position(id) <= position(last)
    )
