"""Events that follow from a decision: kept in its transaction, and published when that is committed.

So there is no event of what was never decided, and none is lost of what was: the relay brings to its
topic what the outbox has, whoever dies. Who decided publishes it at once as well, and is told how far
that went; the second of the two is a duplicate, which changes nothing.
"""

from __future__ import annotations

import structlog
from sqlmodel import Session

from app.errors import Unavailable
from app.events.event import Event
from app.store.outbox import Outbox
from app.streams.publisher import Publisher

log = structlog.get_logger(__name__)


class Committed:
    def __init__(self, publisher: Publisher, outbox: Outbox):
        self._publisher = publisher
        self._outbox = outbox

    def keep(self, session: Session, event: Event) -> Event:
        """Raises `InvalidEvents` or `EventTooLarge` for what its topic would refuse."""
        self._publisher.check([event])
        self._outbox.add(session, [event])
        return event

    def send(self, event: Event) -> None:
        """After the commit."""
        try:
            self._publisher.publish([event])
        except Unavailable as error:
            log.warning(
                "an event waits in the outbox", type=event.type, id=event.id, error=str(error)
            )
