"""A pipeline of handlers under test: publish, run, look.

Everything runs in the calling thread, and time passes only when the test says
so. Leases, turns, retries, settles and checks are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

import msgspec

from app import bootstrap, producing
from app.clock import Clock
from app.errors import NotFound, Refused
from app.events.event import Event
from app.events.ids import derived_id
from app.events.schema import TYPES, EventTypes
from app.streams import keys
from app.streams.broker import RECORDS
from app.streams.control import Decision
from app.subscriptions.declaration import LANES, Handlers
from app.subscriptions.lease import Lease
from app.subscriptions.replay_sending import again_entry
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slots
from app.testing.broker import MemoryBroker
from app.testing.choosing import Chosen, chosen, pick
from app.testing.clock import FakeClock
from app.testing.doorbell import MemoryDoorbell
from app.testing.memory import MemoryPlatform
from app.testing.seen import DeadLetter, Delivery, Seen
from app.testing.streams import BEGIN, position

LONG = 10 * 365 * 86_400.0
"""Seconds of a lease that ends by itself: when there is nothing left to do."""
LIMIT = 100_000
ROUNDS = 1_000
CHANGEABLE = ("retry", "filter", "timeout", "priority")


class InMemoryPlatform:
    """Handlers on streams in memory.

    `handlers`: modules, functions or names of subscriptions; without it, everything
    that `@on` registered so far. `partitions`: topic to number, for those with more than one.
    As a context manager it is what `app.publish` publishes to.
    """

    __test__ = False

    def __init__(
        self,
        handlers: Iterable[Chosen] | Handlers | None = None,
        *,
        clock: Clock | None = None,
        types: EventTypes = TYPES,
        partitions: Mapping[str, int] | None = None,
    ):
        self.clock = clock or FakeClock()
        wanted = handlers if isinstance(handlers, Handlers) else chosen(handlers)
        self.platform = MemoryPlatform(self.clock, wanted, types, partitions)
        self.streams = self.platform.streams
        self._outer: list[bootstrap.Platform | None] = []
        self._numbers = count(1)
        self._generation = 0
        self._follows = False
        self.database = self.platform.database
        self.blobs = self.platform.blobs
        self._seen = Seen()
        self._noted = BEGIN
        self.platform.declare()

    # -- publishing

    def publish(
        self,
        type: str,
        data: Any = None,
        *,
        key: str | None = None,
        subject: str | None = None,
        source: str | None = None,
        id: str | None = None,
        after: float | None = None,
        at: datetime | float | None = None,
        durable: bool = False,
    ) -> Event:
        """Publish one event, as `app.publish` does; here `durable` changes nothing."""
        with self:
            return producing.publish(
                type,
                data,
                key=key,
                subject=subject,
                source=source,
                id=id,
                after=after,
                at=at,
                durable=durable,
            )

    def publish_many(self, events: Iterable[Event], *, durable: bool = False) -> int:
        """Publish events; how many were new, as `app.publish_many` says."""
        with self:
            return producing.publish_many(events, durable=durable)

    # -- running

    def run(self, *, limit: int = LIMIT) -> int:
        """Deliver until nothing is left but what is delayed or paused; how many attempts that were.

        Raises `RuntimeError` where more than `limit` events come of it.
        """
        before = len(self._look().deliveries)
        lease = self._lease()
        self.streams.budget = limit
        with self:
            try:
                self.streams.release_due()
                busy = True
                while busy:
                    lease.refresh()
                    some = lease.run(Slots(1).slot(0), LONG)
                    busy = some > 0 or lease.roster.version != self.streams.version
                    busy = self._relay() > 0 or busy
            except BaseException:
                self._give_back(lease)
                raise
            finally:
                self.streams.budget = None
        return len(self._look().deliveries) - before

    def _relay(self) -> int:
        """Publish what was committed, and let projections follow; nothing where none used the database."""
        if not self.platform.database.begun:
            return 0
        if not self._follows:  # reactors are there before the first event of a test
            self._follows = True
            self.platform.following.begin_reactors(0)
        return self.platform.following.step() + self.platform.relay.drain()

    def _give_back(self, lease: Lease) -> None:
        """An interrupted run leaves nothing with a lease that is gone."""
        self.streams.budget = None
        for name, handling in lease.roster.handlings.items():
            lease.give_back(handling, lease.roster.all_streams(name))
        lease.broker.disown_all(lease.consumer)

    def advance(self, seconds: float) -> int:
        """Let time pass, and deliver what is due at its moment; how many attempts that were.

        Retries, delayed events, and what `@every` runs.
        """
        until = self.clock.now() + seconds
        handled = self.run()
        while (due := self._next_moment()) is not None and due <= until:
            self._go_to(due)
            self.platform.schedules.fire()
            handled += self.run()
        self._go_to(until)
        return handled

    def _next_moment(self) -> float | None:
        moments = [
            one.following(self.clock.now()).timestamp() for one in self.platform.schedules.all()
        ]
        if (due := self._next_due()) is not None:
            moments.append(due)
        return min(moments, default=None)

    def drain(self) -> int:
        """Deliver until nothing is left at all, moving the clock on to what is delayed.

        Raises `RuntimeError` where that has no end.
        """
        handled = self.run()
        for _ in range(ROUNDS):
            due = self._next_due()
            if due is None:
                return handled
            self._go_to(due)
            handled += self.run()
        raise RuntimeError(
            "Something is tried again without end: does a handler raise Unavailable each time?"
            " Use advance(seconds) to see."
        )

    def _next_due(self) -> float | None:
        """When the next delayed event, retry or deadline is due."""
        kept = self.platform.relay.next_due() if self.platform.database.begun else None
        moments = [one for one in (self.streams.next_due(), kept) if one is not None]
        return min(moments, default=None)

    def _go_to(self, moment: float) -> None:
        # Half a millisecond makes up for what floating numbers lose.
        while (rest := moment - self.clock.now()) > 0:
            self.clock.sleep(max(rest, 0.0005))

    def _lease(self) -> Lease:
        """A lease on everything, under a name that no other has."""
        return Lease(
            Roster(self.platform, LANES),
            MemoryBroker(self.streams),
            MemoryDoorbell(self.streams),
            consumer=f"test.{next(self._numbers)}",
            worker="test",
        )

    # -- looking

    def events(self, *types: str) -> list[Event]:
        """What was published so far, in order: of these types, or all. Data as handlers get it."""
        found = []
        for stream, id in self.streams.journal:
            if stream not in (RECORDS, keys.BELL):
                event = Event.from_bytes(self.streams.streams[stream].entries[id][1])
                if not types or event.type in types:
                    found.append(self._read(event))
        return found

    def _read(self, event: Event) -> Event:
        types = self.platform.catalogue.types
        return event.but(data=types.read(event.type, event.dataschema, event.data))

    @property
    def deliveries(self) -> list[Delivery]:
        """Every settled attempt so far, in order."""
        return list(self._look().deliveries)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What is parked now, in the order of parking."""
        return list(self._look().parked.values())

    @property
    def stopped(self) -> dict[str, str]:
        """The projections and reactors that an event stopped, by name: its position, and what was raised.

        Of a build beside the live one as well.
        """
        if not self.platform.database.begun:
            return {}
        told = self.platform.projections.list()
        problems = ((one, one["problem"] or (one["building"] or {}).get("problem")) for one in told)
        return {one["name"]: problem for one, problem in problems if problem}

    @property
    def delayed(self) -> int:
        """How many retries and delayed events wait for their time."""
        return len(self.streams.delayed)

    def _look(self) -> Seen:
        for id, fields in self.streams.after(RECORDS, self._noted):
            self._seen.note(Event.from_bytes(fields[1]).data)
            self._noted = position(id)
        return self._seen

    # -- an operator's hand

    def replay(self, *letters: DeadLetter, data: Any = None) -> str:
        """Send dead letters again, with other data where it is given; the replay's id.

        Outputs are new events, as after every replay. Raises `NotFound` for one that isn't parked.
        """
        parked = self._look().parked
        id = derived_id("replay", next(self._numbers))
        wanted = letters or tuple(parked.values())
        for letter in wanted:
            if letter.id not in parked:
                raise NotFound(f"{letter.event.type} {letter.event.id} isn't parked (any more).")
        events = [
            letter.event if data is None else self._edited(letter, data, id) for letter in wanted
        ]
        self._generation = max(self._generation + 1, self.streams.milliseconds)
        for letter, event in zip(wanted, events, strict=True):
            self._seen.take(letter, event)
            self.streams.add(
                *again_entry(self.platform, letter.subscription, event, self._generation, id)
            )
        return id

    def _edited(self, letter: DeadLetter, data: Any, replay: str) -> Event:
        """A child of the parked event, with other data that fits its schema."""
        event = letter.event
        child = event.but(
            id=derived_id("edit", replay, event.source, event.id, letter.subscription),
            data=data,
            causationid=event.id,
            replayedfrom=event.id,
        )
        return self.platform.preparer.prepare([child])[0].event

    def pause(self, subscription: Chosen) -> None:
        """Shut the gate: nothing is delivered until `resume`."""
        self._decide(subscription, paused=True)

    def resume(self, subscription: Chosen) -> None:
        """Open the gate, with the backlog."""
        self._decide(subscription, paused=False)

    def change(self, subscription: Chosen, **changes: Any) -> None:
        """What an operator can change: `retry` (a mapping), `filter`, `timeout`, `priority`."""
        if unknown := changes.keys() - CHANGEABLE:
            raise Refused(f"{', '.join(unknown)}: here {', '.join(CHANGEABLE)} can be changed")
        self._decide(subscription, **changes)

    def rewind(self, subscription: Chosen, to: float | None = None) -> None:
        """Deliver again what came since `to` (s since 1970); without it, everything."""
        name = self._name(subscription)
        since = 0 if to is None else int(to * 1000)
        was = self.streams.decisions.get(name, Decision())
        self._generation = max(self._generation + 1, was.generation + 1, self.streams.milliseconds)
        for stream in self._streams_of(name):
            if not keys.is_again(stream):
                self.streams.move_group(stream, name, _before(since), was.generation)
        self._decide(name, generation=self._generation, rewound=since)

    def _streams_of(self, name: str) -> Sequence[str]:
        roster = Roster(self.platform, LANES)
        roster.refresh()
        return roster.all_streams(name)

    def _decide(self, subscription: Chosen, **changes: Any) -> None:
        name = self._name(subscription)
        was = self.streams.decisions.get(name, Decision())
        self.streams.decide(name, msgspec.structs.replace(was, **changes))

    def _name(self, subscription: Chosen) -> str:
        known = self.platform.handlers
        (name, *others) = [one.name for one in pick(known, subscription)]
        if others:
            raise Refused(f"{subscription!r} has several subscriptions: give one's name.")
        return name

    # -- lifetime

    def __enter__(self) -> InMemoryPlatform:
        self._outer.append(bootstrap.use(self.platform))
        return self

    def __exit__(self, *_: object) -> None:
        bootstrap.use(self._outer.pop())


def _before(milliseconds: int) -> tuple[int, int]:
    """The position after which comes everything from a time on."""
    return (milliseconds - 1, 2**64 - 1) if milliseconds else BEGIN
