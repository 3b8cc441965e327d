"""The relay: from what SQL has committed to the topics in Redis.

Any number of them, one active: it owns a fenced row. It publishes what the
outbox has, and what was appended to the event store behind the row's position,
in that order of SQL; then it deletes and moves on, in a transaction that checks
the fence. Dying in between it publishes again, and the topics drop what they
have seen by (source, id): at-least-once, without doubles within that window,
and in order for each stream. A wake-up over pub/sub is only a hint: without
any, everything drains at the next look. A server that came back without what it
had been given from the event store is given it again (`relayed.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError
from sqlmodel import Session

from app.errors import PenstockError, Unavailable
from app.events.event import PRIVATE, Event
from app.store import outbox, ownership
from app.streams.client import LOST
from app.subscriptions import relayed

WHAT = "relay"
LOOK = 0.5
"""Seconds between two looks of the active relay that nobody wakes."""
BATCH = 500

log = structlog.get_logger(__name__)


class Relay:
    """One process's relay; `owner` is a name that no other has."""

    def __init__(self, platform: Any, owner: str):
        self.platform = platform
        self.owner = owner
        self.claim = ownership.Claim(platform.database, platform.clock, WHAT, owner)
        self._position: int | None = None

    def drain(self) -> int:
        """Publish everything that is due, if this relay is the active one; how many events."""
        total = 0
        while self._is_active():
            some = self._pass_on()
            total += some
            if some < BATCH:
                break
        return total

    def next_due(self) -> float | None:
        """When the next event of the outbox is due, in seconds since 1970."""
        with self.platform.database.read() as session:
            return outbox.next_due(session)

    def resign(self) -> None:
        """Let another relay begin at once."""
        self.claim.give_up()

    # -- ownership

    def _is_active(self) -> bool:
        fence, is_active = self.claim.fence, self.claim.holds()
        if self.claim.fence != fence:
            self._position = None
        return is_active

    # -- one batch

    def _pass_on(self) -> int:
        """One batch of each source; how many events the larger had."""
        return max(self._pass_on_outbox(), self._pass_on_store())

    def _pass_on_outbox(self) -> int:
        with self.platform.database.read() as session:
            waiting = outbox.due(session, self.platform.clock.now(), BATCH)
        if not waiting:
            return 0
        bad = self._publish([one.event for one in waiting])

        def forget(session: Session, _: ownership.OwnerRow) -> None:
            outbox.drop(session, [one.id for one in waiting if one.event.id not in bad])
            for one in waiting:
                if one.event.id in bad:
                    outbox.refuse(session, one.id, bad[one.event.id])

        self._fenced(forget)
        return len(waiting)

    def _pass_on_store(self) -> int:
        """What was appended behind the position that the owners have come to."""
        if self._position is None:
            self._fenced(lambda _, __: None)
        if self._position is None:
            return 0
        self._position = relayed.place(self.platform, self._position)
        found = self.platform.event_store.read_all(self._position, BATCH, typed=False)
        if not found:
            return 0
        bad = self._publish([one.event for one in found if PRIVATE not in one.event.extensions])
        self.platform.publisher.note_reached(found[-1].position)

        def go_on(session: Session, row: ownership.OwnerRow) -> None:
            row.position = found[-1].position
            session.add(row)
            for one in found:
                if one.event.id in bad:
                    outbox.set_aside(session, one.event, bad[one.event.id])

        self._fenced(go_on)
        return len(found)

    def _fenced(self, write: Callable[[Session, ownership.OwnerRow], None]) -> None:
        """A transaction that holds only while this relay is the owner.

        Its position is the row's when it is committed, and looked up where nobody knows whether it was.
        """
        self._position = None
        try:
            with self.platform.database.session() as session:
                row = ownership.holding(session, WHAT, self.claim.fence or 0)
                write(session, row)
                position = row.position
        except ownership.Fenced:
            log.warning("another relay has taken over")
            self.claim.fence = None
        else:
            self._position = position

    def _publish(self, events: Sequence[Event]) -> dict[str, str]:
        """Publish in order; the ids of those that can't be, each with its problem."""
        if not events:
            return {}
        try:
            self.platform.publisher.publish(events, ours=True)
            return {}
        except (*LOST, RedisError, Unavailable):
            raise
        except Exception as error:  # whatever is wrong with one, the others don't wait for it
            if len(events) > 1:
                return {
                    id: problem for one in events for id, problem in self._publish([one]).items()
                }
            problem = str(error) if isinstance(error, PenstockError) else repr(error)
            log.error("an event can't be published", id=events[0].id, problem=problem)
            return {events[0].id: problem}

    # -- the thread

    def run(self, stopping: threading.Event) -> None:
        """Until it is to stop: drain at every wake-up, and without one at every look."""
        while not stopping.is_set():
            try:
                for _ in self._wakes():
                    self.drain()
                    if stopping.is_set():
                        break
            except (RedisError, PenstockError, OSError) as error:
                log.warning("the relay has to wait", error=str(error))
                stopping.wait(1.0)
            except Exception:
                log.exception("the relay failed; it goes on")
                stopping.wait(1.0)
        try:
            self.resign()
        except PenstockError as error:
            log.warning("another relay begins a little later", error=str(error))

    def _wakes(self) -> Iterator[Any]:
        yield None
        yield from self.platform.wakes.listen(LOOK)
