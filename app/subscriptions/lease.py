"""A lease: the loop that a worker's slot runs for some seconds.

It takes turns over the subscriptions that have work: read, handle, settle.
Where none has, it waits at the doorbell, and ends when that stays silent. It
ends early when its slot is asked for: what it has read and not begun is given
back, so that somebody else takes it at once.

A lost connection ends nothing: a settle is repeated until it is answered (its
fence makes that safe), and after any other error what may have been read is
given back before going on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence

import structlog

from app.errors import Unavailable
from app.streams import keys
from app.streams.broker import Broker
from app.streams.client import LOST
from app.subscriptions.delivery import Handling
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.ordered_turn import OrderedTurn
from app.subscriptions.prefetch import Prefetch
from app.subscriptions.priority import Precedence
from app.subscriptions.roster import Roster
from app.subscriptions.slots import Slot, Slots
from app.subscriptions.turn import Turn
from app.subscriptions.yielding import Yielding

AWAY = (*LOST, Unavailable)
LINGER = 0.2
"""Seconds that a lease waits for work before it ends."""
REFUSED_WAIT = 0.02
"""Seconds until a partition that another lease owns is asked for again."""
MISTAKE_WAIT = 0.5
"""Seconds to wait after an error that nobody foresaw: it may come again at once."""
POLL = 0.01
"""Seconds between looks at other subscriptions' streams under load."""

NO_SLOT = Slots(1).slot(0)

log = structlog.get_logger(__name__)


class Lease:
    """Serves the roster's subscriptions as one consumer. Belongs to one thread; may `run` many times."""

    def __init__(
        self,
        roster: Roster,
        broker: Broker,
        doorbell: Doorbell,
        consumer: str,
        worker: str,
        yields: bool = False,
    ):
        self.roster = roster
        self.broker = broker
        self.doorbell = doorbell
        self.consumer = consumer
        self.worker = worker
        self.clock = roster.platform.clock
        self.prefetch = Prefetch()
        self.agenda: deque[str] = deque()
        self.precedence = Precedence()
        self.yielding = Yielding(self.clock) if yields else None
        self.slot: Slot = NO_SLOT
        self.parent = os.getppid()
        self._refused: set[str] = set()
        self._until = 0.0
        self._polled = 0.0

    # -- the loop

    def run(self, slot: Slot, seconds: float) -> int:
        """Serve for about `seconds`, or until there is nothing to do; how many entries were handled."""
        self.slot = slot
        self._until = self.clock.monotonic() + seconds
        slot.open(self.consumer, self.clock.monotonic())
        handled = 0
        try:
            while not self.asked_for():
                try:
                    if self.roster.version < slot.slots.control or self.roster.version < 0:
                        self.refresh()
                    if self.agenda:
                        if self.roster.ranks:
                            self.precedence.arrange(self.agenda, self.roster.ranks)
                        begun = self.clock.monotonic()
                        handled += self.turn(self.agenda[0])
                        self._look_around()
                        if self.yielding:
                            taken = self.clock.monotonic() - begun
                            self.yielding.after_turn(taken, bool(self.agenda))
                    elif not self._wait() and not slot.slots.detached:
                        break
                except AWAY as error:
                    self._recover(error)
        except Exception:
            # A mistake of ours: what is held must not stay with a worker that lives on, and an
            # event that brings it out again and again is parked like one that kills its process.
            self._give_back_after_mistake()
            self.clock.sleep(MISTAKE_WAIT)
            raise
        finally:
            slot.close(unfinished=bool(self.agenda or self._refused))
        return handled

    def asked_for(self) -> bool:
        """Whether the slot should be free as soon as what is in hand is done."""
        slots = self.slot.slots
        if slots.closing or self.orphaned():
            return True
        if slots.detached:
            return False
        return slots.giving_way or self.clock.monotonic() >= self._until

    def orphaned(self) -> bool:
        """Whether this is a child whose worker is gone, so that nobody beats for it."""
        return self.parent != os.getppid()

    def refresh(self) -> None:
        self.roster.refresh()
        self.doorbell.watch(self.roster.doorbell_streams())
        self.agenda = deque(
            name for name in self.roster.handlings if name not in self.roster.paused
        )

    def _wait(self) -> bool:
        """Wait at the doorbell; whether anything rang before the lease has lingered enough."""
        self.slot.idle(self.clock.monotonic())
        if self._refused:
            rung, named = self.doorbell.wait(int(REFUSED_WAIT * 1000))
            refused, self._refused = self._refused, set()
            return self._note(rung, named | refused)
        return self._note(*self.doorbell.wait(int(LINGER * 1000)))

    def _look_around(self) -> None:
        """Under load: who else has work?"""
        now = self.clock.monotonic()
        if now - self._polled < POLL:
            return
        self._polled = now
        busy = set(self.agenda)
        if len(busy) < len(self.roster.handlings) - len(self.roster.paused):
            served = [s for s, names in self.roster.readers.items() if busy.issuperset(names)]
            self._note(*self.doorbell.wait(None, except_for=served))

    def _note(self, rung: set[str], named: set[str]) -> bool:
        """Put the subscriptions on the agenda whose streams rang."""
        if keys.EVERYBODY in named:
            self.refresh()
            return True
        names = dict.fromkeys(
            name for stream in rung for name in self.roster.readers.get(stream, ())
        )
        names |= dict.fromkeys(name for name in named if name in self.roster.handlings)
        for name in names:
            if name not in self.agenda and name not in self.roster.paused:
                self.agenda.append(name)
        return bool(names)

    # -- one subscription's turn

    def turn(self, name: str) -> int:
        """Serve one subscription for a while; how many entries were handled."""
        handling = self.roster.handlings[name]
        if handling.concurrency is None:
            handled, drained = self._serve(handling)
        else:
            handled, drained = self._limited_turn(handling, handling.concurrency)
        if self.agenda and self.agenda[0] == name:
            self.agenda.popleft()
            if not drained and name not in self.roster.paused:
                self.agenda.append(name)
        return handled

    def _serve(self, handling: Handling) -> tuple[int, bool]:
        if handling.subscription.ordered:
            return self._ordered_turn(handling)
        return Turn(self, handling, self.roster.all_streams(handling.name)).serve()

    def _limited_turn(self, handling: Handling, concurrency: int) -> tuple[int, bool]:
        """Serve a subscription whose concurrency an operator limited, if one of its places is free."""
        name = handling.name
        for place in (f"place-{number}" for number in range(concurrency)):
            if self.broker.own(name, self.consumer, place, ()):
                try:
                    return self._serve(handling)
                finally:
                    self.broker.disown(name, self.consumer, place)
        self.ask_again(name)
        return 0, True

    def ask_again(self, name: str) -> None:
        """A subscription has work that can't be taken now: look again soon."""
        self._refused.add(name)

    def _ordered_turn(self, handling: Handling) -> tuple[int, bool]:
        """Serve the partitions that nobody else owns, one after the other."""
        name, total, drained = handling.name, 0, True
        for partition, streams in enumerate(list(self.roster.streams[name])):
            if not self.broker.own(name, self.consumer, partition, streams):
                self.ask_again(name)  # its owner may be about to leave
                continue
            try:
                blocked = self.broker.blocked(name, partition)
                handled, empty = OrderedTurn(self, handling, streams, partition, blocked).serve()
            finally:
                self.broker.disown(name, self.consumer, partition)
            total += handled
            drained = drained and empty
        return total, drained

    # -- when Redis or the database was away

    def _recover(self, error: BaseException) -> None:
        """Wait for what is away, and give back what may have been read without our knowing.

        That is nobody's loss: an outage says nothing about the event in hand.
        """
        away = "the database" if isinstance(error, Unavailable) else "Redis"
        log.warning(f"lost {away}; waiting for it", error=str(error))
        self._polled = 0.0
        wait = 1.0 if isinstance(error, Unavailable) else 0.05
        # The lease's time may pass meanwhile: what it holds would stay with a worker that lives on.
        while not (self.slot.slots.closing or self.orphaned()):
            self.clock.sleep(wait)
            wait = min(wait * 2, 1.0)
            try:
                self._give_back_everything()
                self.refresh()
            except AWAY:
                continue
            log.info(f"{away} is back")
            return

    def _give_back_after_mistake(self) -> None:
        hand = self.slot.read()
        if hand is not None and hand.subscription in self.roster.handlings:
            handling = self.roster.handlings[hand.subscription]
            alone = hand.entries[hand.first] if hand.first >= 0 and hand.number == 1 else None
            for stream in self.roster.all_streams(handling.name):
                self.broker.release(
                    handling.name,
                    self.consumer,
                    stream,
                    handling.generation,
                    suspect=True,
                    in_hand=alone[1] if alone and alone[0] == stream else b"",
                )
        self._give_back_everything()

    def _give_back_everything(self) -> None:
        for name, handling in list(self.roster.handlings.items()):
            self.give_back(handling, self.roster.all_streams(name))
        self.broker.disown_all(self.consumer)

    def give_back(self, handling: Handling, streams: Sequence[str]) -> None:
        """Hand what this lease holds of these streams to whoever reads next."""
        for stream in streams:
            self.broker.release(handling.name, self.consumer, stream, handling.generation)
