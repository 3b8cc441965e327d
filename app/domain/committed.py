"""Events that follow from a decision: kept in its transaction, and published when that is committed.

So there is no event of what was never decided, and none is lost of what was: the relay brings to its
topic what the outbox has, whoever dies. Who decided publishes it right after the commit, is told how
far that went, and calls it back from the outbox. What was decided of the same model before comes first:
while that waits in the outbox, a later one waits behind it. Dying in between, or meeting the relay,
publishes it twice within moments, of which the second is a duplicate and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlmodel import Session

from app.errors import Unavailable
from app.events.event import Event
from app.store import outbox
from app.store.database import Database
from app.store.outbox import Outbox
from app.streams.publisher import Publisher

log = structlog.get_logger(__name__)


class Committed:
    """`wake` tells the relay of what it is left."""

    def __init__(
        self, publisher: Publisher, outbox: Outbox, database: Database, wake: Callable[[], None]
    ):
        self._publisher = publisher
        self._outbox = outbox
        self._database = database
        self._wake = wake

    def keep(self, session: Session, event: Event) -> Event:
        """Raises `InvalidEvents` or `EventTooLarge` for what its topic would refuse."""
        self._publisher.check([event])
        self._outbox.add(session, [event], handle=_line(event), wake=False)
        return event

    def send(self, event: Event) -> None:
        """After the commit."""
        try:
            with self._database.read() as session:
                first = outbox.first_under(session, _line(event))
            if first is not None and first.event.id == event.id:
                self._publisher.publish([event])
                with self._database.session() as session:
                    outbox.drop(session, [first.id])
                return
            if first is None:  # the relay was quicker
                return
            log.info("an event waits behind an earlier one", type=event.type, id=event.id)
        except Unavailable as error:
            log.warning(
                "an event waits in the outbox", type=event.type, id=event.id, error=str(error)
            )
        self._wake()


def _line(event: Event) -> str:
    """Those that follow each other: of one model."""
    return f"decided {event.partitionkey or event.id}"
