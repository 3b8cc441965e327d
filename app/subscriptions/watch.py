"""A worker's eye on its own slots: who died, who takes too long.

It runs in the worker's parent process (or beside the threads of a pool of
threads), looks at the shared page a few times a second, and acts for a lease
that can't: settles the attempt that was in hand, and gives back the rest.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from app.clock import Clock
from app.streams.broker import Broker
from app.subscriptions.failure import told
from app.subscriptions.identity import is_gone, is_of_process
from app.subscriptions.outcomes import Outcome
from app.subscriptions.reclaim import release_consumers
from app.subscriptions.roster import Roster
from app.subscriptions.settlement import Settled, Settlement
from app.subscriptions.slots import Hand, Slot, Slots

BUSY_REST = 1.0
"""Seconds that an event may be in hand before what waits behind it goes to others."""

log = structlog.get_logger(__name__)


class Watch:
    """Watches the slots of one worker; `vacated` is called with the number of one whose child died."""

    def __init__(
        self,
        slots: Slots,
        broker: Broker,
        roster: Roster,
        worker: str,
        clock: Clock,
        vacated: Callable[[int], None],
    ):
        self.slots = slots
        self.broker = broker
        self.roster = roster
        self.worker = worker
        self.clock = clock
        self.vacated = vacated
        self._given_back: dict[int, tuple[int, list[tuple[str, bytes]]]] = {}

    def look(self) -> bool:
        """Look at each slot once; whether a lease is in any of them."""
        if self.roster.version != self.slots.control:
            self.roster.refresh()
        leased = False
        for number in range(self.slots.count):
            slot = self.slots.slot(number)
            pid = slot.pid()
            leased = leased or pid != 0
            if pid and is_gone(pid):
                self._after_death(slot, pid)
                continue
            hand = slot.read()
            if hand is not None and hand.first >= 0:
                self._in_time(slot, hand)
        return leased

    def _in_time(self, slot: Slot, hand: Hand) -> None:
        now = self.clock.monotonic()
        if hand.deadline and now > hand.deadline:
            self._end(slot, hand)
        elif now - hand.started > BUSY_REST:
            rest = hand.entries[hand.first + hand.number :]
            if rest and not slot.rest_released:
                # Asked for now, given back at the next look: the lease may be about to begin one.
                slot.release_rest()
            elif rest and self._given_back.get(slot.number) != (hand.pid, rest):
                self._given_back[slot.number] = (hand.pid, rest)
                self._release(hand, rest)

    def _after_death(self, slot: Slot, pid: int) -> None:
        """A child is gone: what it had in hand has one more loss, the rest is nobody's fault."""
        hand = slot.read()  # None where it died while it wrote: then it had nothing in hand
        in_hand = (
            hand.entries[hand.first : hand.first + hand.number] if hand and hand.number else []
        )
        log.warning(
            "a child process died",
            pid=pid,
            subscription=hand.subscription if hand else "",
            in_hand=len(in_hand),
        )
        if hand is not None:
            self._release_all(hand, in_hand)
        self._release_unknown(pid)
        self._vacate(slot)

    def _vacate(self, slot: Slot) -> None:
        slot.close()
        self.vacated(slot.number)

    def _release_unknown(self, pid: int) -> None:
        """Give back what a dead child had been given and did not live to write down."""
        streams = [
            stream for name in self.roster.handlings for stream in self.roster.all_streams(name)
        ]
        release_consumers(
            self.roster.platform.redis,
            self.broker,
            dict.fromkeys(streams),
            lambda consumer: is_of_process(consumer, self.worker, pid),
            suspect=False,
        )

    def _end(self, slot: Slot, hand: Hand) -> None:
        """The attempt in hand is over its time: end it where that is possible, and settle it as failed."""
        in_hand = hand.entries[hand.first : hand.first + hand.number]
        seconds = hand.deadline - hand.started
        log.warning(
            "a handler is over its time",
            subscription=hand.subscription,
            seconds=seconds,
            pid=hand.pid,
        )
        slot.release_rest()
        if hand.pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGKILL)
            while not is_gone(hand.pid):
                self.clock.sleep(0.005)
        else:
            slot.begin(
                hand.first, hand.number, self.clock.monotonic(), 0.0
            )  # fenced; it is let run
        if hand.number == 1:
            self._fail(hand, in_hand[0], seconds)
            self._release_all(hand, [])
        else:
            self._release_all(hand, in_hand)
        if hand.pid != os.getpid():
            self._vacate(slot)

    def _fail(self, hand: Hand, place: tuple[str, bytes], seconds: float) -> None:
        """Settle the attempt in hand, for the lease that can't, as one that took too long."""
        handling = self.roster.handlings.get(hand.subscription)
        entry = self.broker.entry(*place)
        if handling is None or entry is None:
            return
        event, outcome = handling.open(entry)
        now = self.clock.now()
        failure = told(
            "Timeout", f"the handler took more than {seconds:g} s", hand.subscription, now
        )
        ended: Outcome = outcome or handling.after_failure(entry, failure)
        settled = Settled(entry, event, ended, now - seconds, now)
        Settlement(self.broker, handling, hand.consumer, self.worker).settle([settled])

    def _release_all(self, hand: Hand, in_hand: Sequence[tuple[str, bytes]]) -> None:
        """Give back all that the consumer holds. Several in hand at once: any of them may be the cause."""
        if not hand.subscription:
            return
        counted = in_hand[0] if len(in_hand) == 1 else None
        for stream in dict.fromkeys(stream for stream, _ in hand.entries):
            self.broker.release(
                hand.subscription,
                hand.consumer,
                stream,
                self._generation(hand),
                suspect=len(in_hand) > 1,
                in_hand=counted[1] if counted and counted[0] == stream else b"",
            )
        self.broker.disown_all(hand.consumer)

    def _release(self, hand: Hand, rest: Sequence[tuple[str, bytes]]) -> None:
        """Give back the entries behind the one in hand."""
        for stream in dict.fromkeys(stream for stream, _ in rest):
            ids = [id for name, id in rest if name == stream]
            self.broker.release(
                hand.subscription,
                hand.consumer,
                stream,
                self._generation(hand),
                only=(ids[0], ids[-1]),
            )

    def _generation(self, hand: Hand) -> int:
        handling = self.roster.handlings.get(hand.subscription)
        return handling.generation if handling else 0
