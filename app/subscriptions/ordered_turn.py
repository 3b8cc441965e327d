"""A turn of an ordered subscription: one partition of it, in the order of each key.

A failed delivery holds back the later ones of its key, and no others: they
wait in a list of their own until it is settled for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from app.events.event import Event
from app.streams.broker import Read
from app.streams.entry import Entry
from app.subscriptions.delivery import Handling
from app.subscriptions.outcomes import Done, Excluded, Held, Outcome
from app.subscriptions.turn import Turn

if TYPE_CHECKING:
    from app.subscriptions.lease import Lease


class OrderedTurn(Turn):
    """A turn on one partition, whose only owner the lease is."""

    def __init__(
        self,
        lease: Lease,
        handling: Handling,
        streams: Sequence[str],
        partition: int,
        blocked: set[str],
    ):
        super().__init__(lease, handling, streams)
        self.partition = partition
        self.blocked = blocked
        self.caught_up = False

    def _take(self, count: int) -> Read:
        """What an earlier lease gave back is older than anything in the topics: all of it first."""
        if not self.caught_up:
            read = self.broker.read(
                self.handling.name, self.lease.consumer, self.streams[:1], count
            )
            if read.entries:
                return read
            self.caught_up = True
        return super()._take(count)

    def _drained(self, entries: Sequence[Entry]) -> bool:
        # The settle may have brought back the next one of a key.
        return not entries

    def _portions(self, entries: Sequence[Entry]) -> Iterator[tuple[int, Sequence[Entry]]]:
        """Batches in which each key comes once: a failure must hold up the next one of its key."""
        for start, some in super()._portions(entries):
            seen: set[str] = set()
            first = 0
            for offset, entry in enumerate(some):
                key = _key(entry)
                if key is not None and key in seen:
                    yield start + first, some[first:offset]
                    first, seen = offset, set()
                if key is not None:
                    seen.add(key)
            yield start + first, some[first:]

    def _open(self, entry: Entry) -> tuple[Event | None, Outcome | None]:
        event, outcome = super()._open(entry)
        if event is None or isinstance(outcome, Excluded) or entry.head or entry.replay:
            return event, outcome
        if event.partitionkey is not None and event.partitionkey in self.blocked:
            return event, Held(event.partitionkey)
        return event, outcome

    def _urgent(self) -> bool:
        return any(
            one.entry.head or not isinstance(one.outcome, Done | Excluded | Held)
            for one in self.done
        )

    def _settle(self) -> None:
        look = self._urgent()
        super()._settle()
        if look:
            self.blocked = self.broker.blocked(self.handling.name, self.partition)


def _key(entry: Entry) -> str | None:
    try:
        return Event.from_bytes(entry.raw).partitionkey
    except Exception:
        return None  # it can't be read, and will be parked as such
