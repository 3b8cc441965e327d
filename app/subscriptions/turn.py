"""One subscription's turn in a lease: read, handle, settle, until drained or time is up.

What was read and not begun when the slot is asked for is given back. A suspect
(an entry that was held when a process died) is handled and settled by itself,
and announced before, so that its next death tells which event was the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import structlog

from app.events.event import Event
from app.streams.broker import Read
from app.streams.client import LOST
from app.streams.entry import Entry
from app.subscriptions.delivery import Handling
from app.subscriptions.outcomes import EXCLUDED, Outcome
from app.subscriptions.settlement import Settled, Settlement

if TYPE_CHECKING:
    from app.subscriptions.lease import Lease

TURN = 0.1
"""Seconds after which the next subscription has its turn."""
FLUSH = 0.02
"""Seconds after which what is handled is settled, though more is to come."""
HOLD = 0.5
"""Seconds after which what was read and not begun is given back: events grew slow since they were counted."""

log = structlog.get_logger(__name__)


class Turn:
    """Serves one subscription from some of its streams."""

    def __init__(self, lease: Lease, handling: Handling, streams: Sequence[str]):
        self.lease = lease
        self.broker = lease.broker
        self.clock = lease.clock
        self.handling = handling
        self.streams = streams
        self.done: list[Settled] = []
        self.single = not handling.subscription.batch
        self.wall = 0.0

    def serve(self) -> tuple[int, bool]:
        """How many entries were handled, and whether the streams are drained."""
        total, end = 0, self.clock.monotonic() + TURN
        while True:
            entries, full = self._read()
            if entries and not self._follow_decisions():
                self.lease.give_back(self.handling, self.streams)
                return total, True
            handled = self._handle(entries) if entries else 0
            total += handled
            if handled < len(entries):
                self.lease.give_back(self.handling, self.streams)
                return total, False
            if not full and self._drained(entries):
                return total, True
            if self.lease.asked_for() or self.clock.monotonic() >= end:
                return total, False

    def _drained(self, entries: Sequence[Entry]) -> bool:
        """After a read that brought less than asked for: is there nothing more?"""
        return True

    def _read(self) -> tuple[list[Entry], bool]:
        """New entries, and whether there may be more."""
        subscription, name = self.handling.subscription, self.handling.name
        count = subscription.batch or self.lease.prefetch.count(name)
        if rate := self.handling.rate:
            count = self.broker.allow(name, rate, count)
            if not count:
                self.lease.ask_again(name)
                return [], False
        read = self._take(count)
        if rate and len(read.entries) != count:
            self.broker.allow(name, rate, len(read.entries) - count)
        if read.control != self.lease.roster.version:
            self.lease.refresh()
        entries, missing = read.entries, read.missing
        if subscription.linger and 0 < len(entries) < count:
            self.clock.sleep(subscription.linger)
            more = self._take(count - len(entries))
            entries, missing = entries + more.entries, missing + more.missing
        for stream, id in missing:
            # Deleted by somebody before it was handled: it can't be, but it isn't passed over in silence.
            log.error(
                "an event was deleted before it was handled",
                subscription=name,
                stream=stream,
                position=id,
            )
        return entries, len(read.entries) >= count

    def _take(self, count: int) -> Read:
        """Up to `count` entries of each stream, which are ours from now on."""
        return self.broker.read(self.handling.name, self.lease.consumer, self.streams, count)

    def _follow_decisions(self) -> bool:
        """Take over what operators changed; False where the subscription is paused or moved elsewhere."""
        roster = self.lease.roster
        name = self.handling.name
        if name in roster.paused or name not in roster.handlings:
            return False
        self.handling = roster.handlings[name]
        return True

    # -- handling

    def _handle(self, entries: Sequence[Entry]) -> int:
        """Handle and settle entries in order; how many, which is fewer where the slot is asked for."""
        slot, clock = self.lease.slot, self.clock
        slot.take(self.lease.consumer, self.handling.name, entries)
        begun = clock.monotonic()
        self.wall = clock.now() - begun
        handled = self._singly(entries) if self.single else self._in_portions(entries)
        self._settle()
        slot.end()
        if handled:
            self.lease.prefetch.took(self.handling.name, clock.monotonic() - begun, handled)
        return handled

    def _singly(self, entries: Sequence[Entry]) -> int:
        """The hot loop for handlers of single events: one look at the clock for each."""
        handling, slot, done = self.handling, self.lease.slot, self.done
        open_entry, attempt, begin = self._open, handling.attempt, slot.begin
        monotonic, wall, timeout = self.clock.monotonic, self.wall, handling.timeout or 0.0
        # Where nobody knows yet how long events take, none waits for a slow one behind it.
        flush = FLUSH if self.lease.prefetch.knows(handling.name) else 0.0
        now = flushed = begun = monotonic()
        handled = 0
        for entry in entries:
            if slot.asked_for:
                break
            event, outcome = open_entry(entry)
            started = now
            if outcome is None and event is not None:
                if entry.suspect:
                    self._settle()
                    self.broker.hold_up(self.lease.consumer, entry.stream, entry.id)
                begin(handled, 1, now, now + timeout if timeout else 0.0)
                outcome = attempt(entry, event)
                now = monotonic()
            done.append(Settled(entry, event, outcome or EXCLUDED, wall + started, wall + now))
            handled += 1
            if now - flushed > flush or entry.suspect or handling.committed or self._urgent():
                self._settle()
                flushed = now
                if self._is_overtaken(now - begun):
                    break
        return handled

    def _in_portions(self, entries: Sequence[Entry]) -> int:
        """The loop for batch handlers."""
        slot, handled = self.lease.slot, 0
        flushed = begun = self.clock.monotonic()
        for index, some in self._portions(entries):
            if slot.asked_for:
                break
            self._handle_portion(index, some)
            handled += len(some)
            now = self.clock.monotonic()
            urgent = some[0].suspect or self.handling.committed or self._urgent()
            if now - flushed > FLUSH or urgent:
                self._settle()
                flushed = now
                if self._is_overtaken(now - begun):
                    break
        return handled

    def _is_overtaken(self, held: float) -> bool:
        """Whether what is not begun goes back: an operator decided something, or it was held too long."""
        return held > HOLD or self.lease.slot.slots.control > self.lease.roster.version

    def _portions(self, entries: Sequence[Entry]) -> Iterator[tuple[int, Sequence[Entry]]]:
        """What is handled together, with the index of its first entry: batches, and suspects alone."""
        batch = self.handling.subscription.batch
        start = 0
        while start < len(entries):
            end = start + batch
            if True in [entry.suspect for entry in entries[start:end]]:
                end = start + 1
                while not entries[start].suspect and not entries[end].suspect:
                    end += 1
            yield start, entries[start:end]
            start = end

    def _handle_portion(self, index: int, some: Sequence[Entry]) -> None:
        """Open, attempt, and note the outcomes of one portion."""
        handling, monotonic, wall = self.handling, self.clock.monotonic, self.wall
        now = monotonic()
        opened = list(map(self._open, some))
        entries: Sequence[Entry] = some
        events = [event for event, outcome in opened if outcome is None and event is not None]
        if len(events) < len(some):
            entries = [
                entry for entry, (_, outcome) in zip(some, opened, strict=True) if outcome is None
            ]
        outcomes: Iterator[Outcome] = iter(())
        if entries:
            if entries[0].suspect:
                self._settle()
                self.broker.hold_up(self.lease.consumer, entries[0].stream, entries[0].id)
            timeout = handling.timeout * len(some) if handling.timeout else 0.0
            self.lease.slot.begin(index, len(some), now, now + timeout if timeout else 0.0)
            outcomes = iter(handling.attempt_batch(entries, events))
        started, ended = wall + now, wall + monotonic()
        # In the order of the stream, which the settle's check of ownership leans on.
        self.done += [
            Settled(entry, event, next(outcomes) if outcome is None else outcome, started, ended)
            for entry, (event, outcome) in zip(some, opened, strict=True)
        ]

    def _open(self, entry: Entry) -> tuple[Event | None, Outcome | None]:
        return self.handling.open(entry)

    def _urgent(self) -> bool:
        """Whether what follows depends on what is done being settled."""
        return False

    # -- settling

    def _settle(self) -> None:
        """Settle what is done, by stream; repeated until the server answers."""
        self.lease.slot.untimed()
        done = self.done.copy()
        self.done.clear()
        self.handling.committed = False
        while done:
            stream = done[0].entry.stream
            here, rest = done, []
            if len({one.entry.stream for one in done}) > 1:
                here = [one for one in done if one.entry.stream == stream]
                rest = [one for one in done if one.entry.stream != stream]
            done = rest
            fenced = self._settle_stream(here)
            if fenced:
                log.warning(
                    "fenced: another worker has these deliveries",
                    subscription=self.handling.name,
                    deliveries=len(fenced),
                )

    def _settle_stream(self, here: Sequence[Settled]) -> list[Settled]:
        settlement = Settlement(self.broker, self.handling, self.lease.consumer, self.lease.worker)
        wait = 0.05
        while True:
            try:
                return settlement.settle(here)
            except LOST as error:
                if self.lease.slot.slots.closing or self.lease.orphaned():
                    raise
                log.warning(
                    "lost Redis while settling; trying again",
                    subscription=self.handling.name,
                    error=str(error),
                )
                self.clock.sleep(wait)
                wait = min(wait * 2, 1.0)
