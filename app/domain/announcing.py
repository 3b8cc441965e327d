"""Telling those who watch that rows have changed, once they can be read."""

from __future__ import annotations

from typing import Any, Protocol

import redis
import structlog
from sqlalchemy import event
from sqlmodel import Session


class Announcer(Protocol):
    def announce(self, *what: str) -> None: ...


def announce_after(session: Session, announcer: Announcer | None, what: str) -> None:
    """Announce when the session's transaction is committed; once, and never for a rollback."""
    told = session.info.setdefault("announced", set())
    if announcer is None or what in told:
        return
    told.add(what)

    def announce(_session: Any) -> None:
        told.discard(what)
        try:
            announcer.announce(what)
        except redis.RedisError as error:
            # Only a hint, and the rows are committed: pages look by themselves now and then.
            structlog.get_logger(__name__).warning(
                "change not announced", what=what, error=str(error)
            )

    event.listen(session, "after_commit", announce, once=True)
